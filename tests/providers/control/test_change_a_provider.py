"""A PATCH merges, says by its ETag what it changes, and never lets a secret follow a provider to another server."""

import pytest

from providers.models import Provider, SealedSecret, ValidationRun
from tests.providers.control.conftest import KEY, add_model, faults, register

OTHER_KEY = "sk-local-fedcba9876543210-f00d"


@pytest.fixture
def provider(acme):
    return register(acme, credentials={"api_key": KEY})


def patch(team, provider, body, **headers):
    return team.client.patch(f"{team.path}/providers/{provider['id']}", body, headers=headers)


def test_settings_are_merged_key_by_key_and_headers_replaced(acme, provider):
    patch(acme, provider, {"settings": {"extra_headers": {"X-Team": "a", "X-Old": "b"}}})

    changed = patch(acme, provider, {"settings": {"idle_timeout_seconds": 10, "extra_headers": {"X-Team": "c"}}}).json()

    assert changed["settings"]["idle_timeout_seconds"] == 10
    assert changed["settings"]["first_token_timeout_seconds"] == 300
    assert changed["settings"]["extra_headers"] == {"X-Team": "c"}


def test_a_secret_left_out_is_kept_null_clears_it_and_text_replaces_it(acme, provider):
    before = provider["credentials"]["api_key"]["fingerprint"]

    kept = patch(acme, provider, {"credentials": {"admin_api_key": OTHER_KEY}}).json()["credentials"]
    assert kept["api_key"]["fingerprint"] == before
    assert kept["admin_api_key"]["last4"] == "f00d"

    replaced = patch(acme, provider, {"credentials": {"api_key": OTHER_KEY}}).json()["credentials"]
    assert replaced["api_key"]["last4"] == "f00d"
    assert replaced["api_key"]["fingerprint"] == replaced["admin_api_key"]["fingerprint"]

    cleared = patch(acme, provider, {"credentials": {"admin_api_key": None}}).json()["credentials"]
    assert cleared["admin_api_key"] == {"set": False}
    assert cleared["api_key"]["set"] is True


@pytest.mark.parametrize("masked", ["••••c0de", "****c0de", "sk-…c0de", "[__HIDDEN__]", "...c0de", "<your key>"])
def test_a_mask_is_never_stored_over_the_secret(acme, provider, masked):
    response = patch(acme, provider, {"credentials": {"api_key": masked}})

    assert (response.status_code, response.json()["code"]) == (400, "secret_looks_masked")
    assert faults(response) == {"credentials.api_key": "secret_looks_masked"}
    assert SealedSecret.objects.for_tenant(acme.id).get().last4 == "c0de"


def test_another_origin_without_the_secret_is_refused_and_nothing_changes(acme, provider):
    response = patch(acme, provider, {"name": "moved", "base_url": "http://192.168.1.101:8080"})

    assert (response.status_code, response.json()["code"]) == (400, "credentials_required_for_new_origin")
    assert faults(response) == {"credentials.api_key": "credentials_required_for_new_origin"}
    row = Provider.objects.for_tenant(acme.id).get()
    assert (row.name, row.base_url, row.version) == ("gpu-box", "http://192.168.1.100:8080", 1)


@pytest.mark.parametrize("secret", [OTHER_KEY, None])
def test_another_origin_with_each_secret_anew_is_taken(acme, provider, secret):
    response = patch(acme, provider, {"base_url": "http://192.168.1.101:8080", "credentials": {"api_key": secret}})

    assert response.status_code == 200
    assert response.json()["credentials"]["api_key"]["set"] is (secret is not None)
    origins = set(SealedSecret.objects.for_tenant(acme.id).values_list("origin", flat=True))
    assert origins <= {"http://192.168.1.101:8080"}


@pytest.mark.parametrize(
    "body", [{"base_url": "http://192.168.1.100:8080/local"}, {"settings": {"verify_tls": False}}], ids=["path", "tls"]
)
def test_another_way_to_the_server_voids_what_was_known_and_validates_anew(acme, provider, body):
    Provider.objects.for_tenant(acme.id).update(state="healthy")

    changed = patch(acme, provider, body).json()

    assert changed["state"] == "unverified"
    assert ValidationRun.objects.for_tenant(acme.id).filter(state="queued").count() == 1


@pytest.mark.parametrize("body", [{"name": "other"}, {"settings": {"max_concurrency": 8}}], ids=["name", "figure"])
def test_a_change_that_does_not_touch_the_way_to_the_server_leaves_the_state(acme, provider, body):
    Provider.objects.for_tenant(acme.id).update(state="healthy")
    assert patch(acme, provider, body).json()["state"] == "healthy"
    assert ValidationRun.objects.for_tenant(acme.id).count() == 1


def test_a_stale_if_match_changes_nothing(acme, provider):
    etag = acme.client.get(f"{acme.path}/providers/{provider['id']}")["ETag"]
    assert patch(acme, provider, {"name": "first"}, **{"If-Match": etag}).status_code == 200

    response = patch(acme, provider, {"name": "second"}, **{"If-Match": etag})

    assert (response.status_code, response.json()["code"]) == (412, "precondition_failed")
    assert Provider.objects.for_tenant(acme.id).get().name == "first"


def test_the_etag_is_not_moved_by_state(acme, provider):
    path = f"{acme.path}/providers/{provider['id']}"
    before = acme.client.get(path)["ETag"]
    Provider.objects.for_tenant(acme.id).update(state="healthy")
    assert acme.client.get(path)["ETag"] == before


def test_a_provider_is_switched_off_and_on(acme, provider):
    path = f"{acme.path}/providers/{provider['id']}"
    assert acme.client.post(f"{path}/disable").json()["enabled"] is False
    assert acme.client.get(f"{acme.path}/providers?enabled=true").json()["results"] == []
    assert acme.client.post(f"{path}/enable").json()["enabled"] is True


def test_the_kind_of_a_provider_never_changes(acme, provider):
    response = patch(acme, provider, {"kind": "xinference"})
    assert (response.status_code, faults(response)) == (400, {"kind": "unknown_field"})


def test_a_provider_in_use_is_not_deleted_without_cascade(acme, provider):
    model = add_model(acme, provider, "gpt-3.5-turbo")
    acme.client.patch(f"{acme.path}/default-models", {"llm": model["id"]})
    path = f"{acme.path}/providers/{provider['id']}"
    impact = {
        "models": [{"id": model["id"], "name": "gpt-3.5-turbo"}],
        "default_models": ["llm"],
        "running_jobs": 0,
        "queued_jobs": 0,
    }

    looked = acme.client.delete(f"{path}?dry_run=true")
    refused = acme.client.delete(path)

    assert (looked.status_code, looked.json()) == (200, {"impact": impact})
    assert (refused.status_code, refused.json()["code"], refused.json()["impact"]) == (409, "in_use", impact)
    assert acme.client.delete(f"{path}?cascade=true").status_code == 204
    assert acme.client.get(path).status_code == 404
    assert acme.client.get(f"{acme.path}/default-models").json()["llm"] is None
    assert not SealedSecret.objects.for_tenant(acme.id).exists()
