"""Scopes, roles and strangers at every address of this app."""

import pytest

from providers.models import Provider
from tenants.permissions import ROLE_SCOPES
from tests.providers.control.conftest import KEY, add_model, provider_body, register

# method, path, scope
OPERATIONS = [
    ("get", "/providers", "providers:read"),
    ("post", "/providers", "providers:write"),
    ("get", "/providers/{provider}", "providers:read"),
    ("patch", "/providers/{provider}", "providers:write"),
    ("delete", "/providers/{provider}", "providers:write"),
    ("post", "/providers/{provider}/enable", "providers:write"),
    ("post", "/providers/{provider}/disable", "providers:write"),
    ("get", "/providers/{provider}/credentials", "providers:read"),
    ("post", "/providers/{provider}/credentials", "creds:write"),
    ("get", "/providers/{provider}/credentials/{credential}", "providers:read"),
    ("patch", "/providers/{provider}/credentials/{credential}", "creds:write"),
    ("delete", "/providers/{provider}/credentials/{credential}", "creds:write"),
    ("post", "/providers/{provider}/credentials/{credential}/activate", "creds:write"),
    ("post", "/providers/{provider}/credentials/{credential}/rotate", "creds:write"),
    ("post", "/providers/{provider}/credentials/{credential}/revoke", "creds:write"),
    ("get", "/providers/{provider}/validations", "providers:read"),
    ("post", "/providers/{provider}/validations", "providers:write"),
    ("get", "/providers/{provider}/validations/{validation}", "providers:read"),
    ("post", "/validations", "providers:write"),
    ("get", "/providers/{provider}/discovered-models", "models:read"),
    ("get", "/providers/{provider}/discoveries", "models:read"),
    ("post", "/providers/{provider}/discoveries", "models:write"),
    ("post", "/providers/{provider}/model-imports", "models:write"),
    ("get", "/models", "models:read"),
    ("post", "/models", "models:write"),
    ("get", "/models/{model}", "models:read"),
    ("patch", "/models/{model}", "models:write"),
    ("delete", "/models/{model}", "models:write"),
    ("post", "/models/{model}/enable", "models:write"),
    ("post", "/models/{model}/disable", "models:write"),
    ("post", "/models/{model}/test", "models:write"),
    ("get", "/models/{model}/parameter-rules", "models:read"),
    ("get", "/default-models", "models:read"),
    ("patch", "/default-models", "models:write"),
]


@pytest.fixture
def ids(acme):
    provider = register(acme, credentials={"api_key": KEY})
    credential = acme.client.get(f"{acme.path}/providers/{provider['id']}/credentials").json()["results"][0]
    model = add_model(acme, provider, "m")
    validation = provider["last_validation"]["id"]
    return {
        "provider": provider["id"],
        "credential": credential["id"],
        "model": model["id"],
        "validation": validation,
    }


def test_every_operation_asks_for_its_scope_by_name(acme, ids):
    scopes = {scope for _, _, scope in OPERATIONS}
    without = {scope: acme.client_with(*(ROLE_SCOPES["owner"] - {scope})) for scope in scopes}
    for method, path, scope in OPERATIONS:
        response = getattr(without[scope], method)(acme.path + path.format(**ids))
        assert (response.status_code, response.json()["code"]) == (403, "insufficient_scope"), (method, path)
        assert scope in response.json()["hint"], (method, path)


def test_a_stranger_sees_what_is_there_as_if_it_were_not(acme, globex, ids):
    """In acme's own address, and with acme's ids in globex's address."""
    for method, path, _ in OPERATIONS:
        for team in (acme, globex) if "{" in path else (acme,):
            response = getattr(globex.client, method)(team.path + path.format(**ids))
            assert (response.status_code, response.json()["code"]) == (404, "not_found"), (method, team.path, path)


def test_a_member_may_register_a_server_but_not_store_a_secret(acme):
    member = acme.client_as("member")

    refused = member.post(f"{acme.path}/providers", provider_body(credentials={"api_key": KEY}))
    taken = member.post(f"{acme.path}/providers", provider_body())

    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    assert "creds:write" in refused.json()["hint"]
    assert taken.status_code == 201
    assert Provider.objects.for_tenant(acme.id).count() == 1


@pytest.mark.parametrize("value", ["sk-another-0123456789", None])
def test_a_member_neither_sets_nor_clears_a_secret(acme, ids, value):
    path = f"{acme.path}/providers/{ids['provider']}"
    response = acme.client_as("member").patch(path, {"credentials": {"api_key": value}})
    assert response.status_code == 403
    assert acme.client.get(path).json()["credentials"]["api_key"]["last4"] == "c0de"


def test_a_member_does_not_try_secrets_in_a_form(acme):
    body = provider_body(credentials={"api_key": KEY})
    assert acme.client_as("member").post(f"{acme.path}/validations", body).status_code == 403


def test_a_viewer_reads_and_writes_nothing(acme, ids):
    viewer = acme.client_as("viewer")
    assert viewer.get(f"{acme.path}/providers").status_code == 200
    assert viewer.get(f"{acme.path}/models").status_code == 200
    assert viewer.post(f"{acme.path}/models/{ids['model']}/disable").status_code == 403


def test_a_run_of_another_provider_is_not_found_under_this_one(acme, ids):
    other = register(acme, name="other")
    path = f"{acme.path}/providers/{other['id']}/validations/{ids['validation']}"
    assert acme.client.get(path).status_code == 404
    assert acme.client.get(f"{acme.path}/validations/{ids['validation']}").status_code == 404
