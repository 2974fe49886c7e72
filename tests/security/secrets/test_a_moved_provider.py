"""A secret goes to the server it was entered for, and to no other: not by re-pointing, rotating or racing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from providers.models import Provider
from providers.upstream.egress import origin_of
from tests.factories import Team, bearer
from tests.fakes.localai import FakeLocalAI
from tests.providers.control.conftest import faults, work
from tests.providers.jobs.client import HELLO, JobsClient
from tests.providers.rows import add_credential, add_model, add_provider

SECRET, NEWER = "sk-acme-0123456789abcdef-c0de", "sk-acme-fedcba9876543210-f00d"

__all__ = ["work"]


@pytest.fixture
def elsewhere() -> Iterator[FakeLocalAI]:
    """Somebody else's server, which would take any key."""
    with FakeLocalAI() as server:
        yield server


@pytest.fixture
def provider(team: Team, localai: FakeLocalAI) -> Provider:
    """`box` at the first server, with all kinds of secrets: the active key, an admin key, a staged and an old one."""
    localai.dial.api_keys = {SECRET, NEWER}
    made = add_provider(team, localai.url, name="box", secrets={"api_key": SECRET, "admin_api_key": SECRET})
    add_credential(made, {"api_key": NEWER}, name="staged", state="staged")
    add_credential(made, {"api_key": SECRET}, name="old", state="grace")
    add_model(made, "chat", upstream_name="gpt-3.5-turbo")
    return made


def patch(team: Team, provider: Provider, **body: Any) -> Any:
    return team.client.patch(f"{team.path}/providers/{provider.pk}", body)


def use_everything(web: str, team: Team, jobs: JobsClient, provider: Provider, work: Any) -> None:
    """Whatever dials: a validation, a discovery, a job, both kinds of gateway call."""
    path = f"{team.path}/providers/{provider.pk}"
    team.client.post(f"{path}/validations", {"level": "infer"})
    team.client.post(f"{path}/discoveries")
    work()
    jobs.ended(jobs.submit(model="chat")["id"])
    with httpx.Client(base_url=f"{web}/v1", headers=bearer(team.key), timeout=60, trust_env=False) as v1:
        for streams in (True, False):
            v1.post("/chat/completions", json={**HELLO["input"], "model": "chat", "stream": streams})


def seen_by(server: FakeLocalAI) -> str:
    return "".join(f"{request.target} {request.headers} {request.body!r}" for request in server.ledger)


def test_moving_it_without_its_secrets_is_refused_and_changes_nothing(team, provider, localai, elsewhere):
    answer = patch(team, provider, base_url=elsewhere.url)

    assert (answer.status_code, answer.json()["code"]) == (400, "credentials_required_for_new_origin")
    assert sorted(faults(answer)) == ["credentials.admin_api_key", "credentials.api_key"]
    assert Provider.unscoped.get(pk=provider.pk).base_url == localai.url


def test_bringing_one_secret_of_two_is_refused(team, provider, elsewhere):
    answer = patch(team, provider, base_url=elsewhere.url, credentials={"api_key": NEWER})

    assert faults(answer) == {"credentials.admin_api_key": "credentials_required_for_new_origin"}


def test_moved_without_secrets_it_sends_none(web, team, acme_jobs, worker, provider, elsewhere, work):
    answer = patch(team, provider, base_url=elsewhere.url, credentials={"api_key": None, "admin_api_key": None})
    assert answer.status_code == 200

    use_everything(web, team, acme_jobs, provider, work)

    assert {request.path for request in elsewhere.ledger} >= {"/v1/models", "/v1/chat/completions"}
    assert [request for request in elsewhere.ledger if request.key] == []
    assert SECRET not in seen_by(elsewhere)
    assert NEWER not in seen_by(elsewhere)


def test_moved_with_other_secrets_it_sends_those_alone(web, team, acme_jobs, worker, provider, elsewhere, work):
    fresh = "sk-elsewhere-0123456789abcdef"
    body = {"api_key": fresh, "admin_api_key": None}
    assert patch(team, provider, base_url=elsewhere.url, credentials=body).status_code == 200

    use_everything(web, team, acme_jobs, provider, work)

    assert {request.key for request in elsewhere.requests("/v1/chat/completions")} == {fresh}
    assert SECRET not in seen_by(elsewhere)


@pytest.mark.parametrize("name", ["staged", "old"])
def test_no_credential_entered_for_the_former_server_is_activated_at_the_new_one(team, provider, elsewhere, name):
    patch(team, provider, base_url=elsewhere.url, credentials={"api_key": None, "admin_api_key": None})
    credential = provider.credentials.get(name=name)

    answer = team.client.post(f"{team.path}/providers/{provider.pk}/credentials/{credential.pk}/activate")

    assert (answer.status_code, answer.json()["code"]) == (400, "credentials_required_for_new_origin")


def test_a_rotation_under_way_does_not_follow_it(team, provider, localai, elsewhere, work):
    path = f"{team.path}/providers/{provider.pk}"
    active = provider.credentials.get(name="default")
    body = {"fields": {"api_key": NEWER, "admin_api_key": None}}
    started = team.client.post(f"{path}/credentials/{active.pk}/rotate", body)
    assert started.status_code == 202
    patch(team, provider, base_url=elsewhere.url, credentials={"api_key": None, "admin_api_key": None})

    work()

    assert team.client.get(started["Location"]).json()["state"] == "cancelled"
    assert NEWER not in seen_by(elsewhere)
    assert SECRET not in seen_by(elsewhere)


def test_a_row_moved_behind_the_verbs_back_sends_nothing_at_all(
    web, team, acme_jobs, worker, provider, elsewhere, work
):
    """Whoever can write to the database, but holds no key, gets no secret out."""
    Provider.unscoped.filter(pk=provider.pk).update(base_url=elsewhere.url)

    team.client.post(f"{team.path}/providers/{provider.pk}/validations", {"level": "infer"})
    work()
    refused = acme_jobs.post("/jobs", json={**HELLO, "model": "chat"})

    assert refused.json()["code"] == "undecryptable"
    assert elsewhere.ledger == []


def test_a_secret_moved_with_its_origin_by_hand_does_not_open(team, acme_jobs, provider, elsewhere):
    from providers.models import SealedSecret

    Provider.unscoped.filter(pk=provider.pk).update(base_url=elsewhere.url)
    SealedSecret.unscoped.update(origin=origin_of(elsewhere.url))

    refused = acme_jobs.post("/jobs", json={**HELLO, "model": "chat"})

    assert refused.json()["code"] == "undecryptable"
    assert elsewhere.ledger == []


def test_a_redirect_takes_no_secret_along(web, team, acme_jobs, worker, provider, localai, elsewhere, work):
    localai.dial.redirect_to = f"{elsewhere.url}/v1/models"

    use_everything(web, team, acme_jobs, provider, work)

    assert localai.ledger
    assert elsewhere.ledger == []


def test_new_values_that_work_take_over_while_calls_go_on(web, team, acme_jobs, worker, provider, localai, work):
    """Staged, validated, promoted; the old ones keep for their grace, and no call in between fails."""
    path = f"{team.path}/providers/{provider.pk}/credentials"
    active = provider.credentials.get(name="default")
    assert acme_jobs.ended(acme_jobs.submit(model="chat")["id"])["state"] == "succeeded"

    body = {"fields": {"api_key": NEWER, "admin_api_key": None}, "grace_seconds": 60}
    assert team.client.post(f"{path}/{active.pk}/rotate", body).status_code == 202
    assert acme_jobs.ended(acme_jobs.submit(model="chat")["id"])["state"] == "succeeded"
    work()
    assert acme_jobs.ended(acme_jobs.submit(model="chat")["id"])["state"] == "succeeded"

    assert [request.key for request in localai.requests("/v1/chat/completions")] == [SECRET, SECRET, NEWER]
    states = {row["name"]: row["state"] for row in team.client.get(path).json()["results"]}
    assert (states["default"], states["default-2"]) == ("grace", "active")
