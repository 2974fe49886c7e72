"""A secret that does not open stops what needs it, says so where people look, and stops nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from django.urls import reverse

from providers.models import Credential, Provider, SealedSecret
from providers.routing import provider_target
from tenants.models import TenantKey, User
from tenants.sealing import data_keys
from tests.factories import PASSWORD, ApiClient, Team, bearer
from tests.fakes.localai import FakeLocalAI
from tests.providers.jobs.client import HELLO, JobsClient
from tests.providers.rows import add_model, add_provider

SECRET, OTHER = "sk-acme-0123456789abcdef-c0de", "sk-acme-fedcba9876543210-f00d"


@pytest.fixture
def broken(team: Team, localai: FakeLocalAI) -> Provider:
    """acme's provider `old-box` with the model `old`: a bit of its key has flipped. `gpu-box` beside it is well."""
    localai.dial.api_keys = {SECRET, OTHER}
    provider = add_provider(team, localai.url, name="old-box", secrets={"api_key": SECRET})
    add_model(provider, "old", upstream_name="gpt-3.5-turbo")
    well = add_provider(team, localai.url, name="new-box", secrets={"api_key": OTHER})
    add_model(well, "well", upstream_name="gpt-3.5-turbo")
    flip_a_bit(SealedSecret.unscoped.filter(credential__provider=provider))
    return provider


def flip_a_bit(secrets: Any) -> None:
    for secret in secrets:
        blob = bytearray(secret.blob)
        blob[-1] ^= 1
        secrets.filter(pk=secret.pk).update(blob=bytes(blob))


@pytest.fixture
def v1(web: str, team: Team) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{web}/v1", headers=bearer(team.key), timeout=60, trust_env=False) as client:
        yield client


def chat(v1: httpx.Client, model: str) -> httpx.Response:
    return v1.post("/chat/completions", json={**HELLO["input"], "model": model})


def state_of(team: Team, provider: Provider) -> dict[str, Any]:
    path = f"{team.path}/providers/{provider.pk}"
    (credential,) = team.client.get(f"{path}/credentials").json()["results"]
    return {
        "provider": team.client.get(path).json()["state"],
        "credential": credential["state"],
        "last_error": credential["last_error"],
        "set": credential["fields"]["api_key"]["set"],
    }


UNDECRYPTABLE = {
    "provider": "undecryptable",
    "credential": "undecryptable",
    "last_error": "undecryptable",
    "set": True,
}


def test_a_call_is_refused_and_the_credential_says_why(v1, team, broken, localai):
    answer = chat(v1, "old")

    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "provider_auth_failed")
    assert localai.ledger == []
    assert state_of(team, broken) == UNDECRYPTABLE


def test_a_job_is_refused_with_the_code(acme_jobs: JobsClient, team, broken):
    answer = acme_jobs.post("/jobs", json={**HELLO, "model": "old"})

    assert (answer.status_code, answer.json()["code"]) == (409, "undecryptable")
    assert answer.json()["hint"]
    assert state_of(team, broken) == UNDECRYPTABLE


def test_everything_else_goes_on(v1, acme_jobs: JobsClient, worker, broken, localai):
    assert chat(v1, "old").status_code == 502

    assert chat(v1, "well").status_code == 200
    assert acme_jobs.ended(acme_jobs.submit(model="well")["id"])["state"] == "succeeded"
    assert {request.key for request in localai.requests("/v1/chat/completions")} == {OTHER}


def test_an_operator_sees_it(v1, broken):
    chat(v1, "old")
    staff = ApiClient()
    staff.force_login(User.objects.create_superuser("ops@modelyard.example", PASSWORD))

    credential = broken.credentials.get()
    page = staff.get(reverse("admin:providers_credential_change", args=[credential.pk])).content.decode()

    assert "undecryptable" in page
    assert SECRET not in page


def test_a_secret_entered_anew_is_used_at_once(v1, team, broken):
    chat(v1, "old")

    team.client.patch(f"{team.path}/providers/{broken.pk}", {"credentials": {"api_key": OTHER}})

    assert chat(v1, "old").status_code == 200
    assert state_of(team, broken)["credential"] == "active"


def test_a_destroyed_data_key_stops_its_tenant_and_no_other(v1, web, team, broken, localai):
    from tests.factories import make_team

    globex = make_team("globex")
    add_model(add_provider(globex, localai.url, secrets={"api_key": OTHER}), "gpt-4", upstream_name="gpt-3.5-turbo")
    TenantKey.objects.for_tenant(team.id).update(wrapped=b"destroyed")
    data_keys.forget(None)

    assert chat(v1, "well").json()["error"]["code"] == "provider_auth_failed"
    listed = team.client.get(f"{team.path}/providers")
    assert listed.status_code == 200
    with httpx.Client(base_url=f"{web}/v1", headers=bearer(globex.key), trust_env=False, timeout=60) as other:
        assert chat(other, "gpt-4").status_code == 200


def test_what_was_read_while_an_address_was_being_changed_is_read_again(team, localai):
    """The old address with the new secrets opens nothing: that is no fault of the credential."""
    provider = add_provider(team, "http://10.1.2.3:8080", name="moving", secrets={"api_key": SECRET})
    read_before = Provider.unscoped.get(pk=provider.pk)
    body = {"base_url": localai.url, "credentials": {"api_key": OTHER}}
    assert team.client.patch(f"{team.path}/providers/{provider.pk}", body).status_code == 200

    target = provider_target(read_before)

    assert (target.base_url, target.headers["Authorization"]) == (localai.url, f"Bearer {OTHER}")
    assert Credential.unscoped.get(provider=provider).state == "active"
