"""A deleted tenant is gone for good: its keys are destroyed, its place in Redis is empty, and a receipt says so."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import call_command
from structlog.testing import capture_logs

from providers import worker_loop
from providers.models import Job, SealedSecret
from providers.redis import key, sync_redis
from providers.sealed_fields import secret_place
from tenants.models import DeletionReceipt, Tenant, TenantKey
from tenants.sealing import Context, Undecryptable, data_keys, open_sealed, seal
from tests.factories import ApiClient, Team
from tests.fakes.localai import FakeLocalAI
from tests.providers.jobs.client import JobsClient, text_of
from tests.providers.rows import add_model, add_provider
from tests.waiting import wait_for


def as_owner(of: Team) -> ApiClient:
    client = ApiClient()
    client.force_login(of.owner)
    return client


def receipts(*arguments: str) -> list[dict[str, Any]]:
    out = io.StringIO()
    call_command("deletion_receipts", *arguments, stdout=out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def everything_in_redis() -> str:
    client = sync_redis()
    shown = []
    for name in client.scan_iter():
        kind = client.type(name).decode()
        read = {"stream": client.xrange, "zset": client.zrange, "hash": client.hgetall, "set": client.smembers}
        arguments = (0, -1) if kind == "zset" else ()
        shown.append(f"{name!r} {read[kind](name, *arguments) if kind in read else ''}")
    return "\n".join(shown)


@pytest.mark.django_db(transaction=True)
class TestItsKeys:
    @pytest.fixture
    def secret(self, acme):
        provider = add_provider(acme, "http://10.1.2.3:8080", secrets={"api_key": "sk-acme-0123456789abcdef"})
        add_model(provider, "gpt-3.5-turbo")
        return SealedSecret.objects.for_tenant(acme.id).get()

    def test_are_destroyed_so_that_what_was_kept_elsewhere_opens_no_more(self, acme, secret):
        place, kept = secret_place(secret), bytes(secret.blob)
        assert open_sealed(kept, place) == b"sk-acme-0123456789abcdef"

        assert as_owner(acme).delete(f"{acme.path}?cascade=true").status_code == 204

        with pytest.raises(Undecryptable, match="gone"):
            open_sealed(kept, place)
        assert not TenantKey.unscoped.filter(tenant_id=acme.id).exists()

    def test_of_others_stay(self, acme, globex, secret):
        place = Context(globex.id, "t", globex.id, "f")
        kept = seal(b"globex", place)

        as_owner(acme).delete(f"{acme.path}?cascade=true")

        assert open_sealed(kept, place) == b"globex"

    def test_stand_on_a_receipt_by_their_fingerprints(self, acme, secret):
        first = data_keys.opening_key(acme.id, 1).fingerprint
        second = data_keys.add_version(acme.id).fingerprint

        with capture_logs() as logs:
            as_owner(acme).delete(f"{acme.path}?cascade=true")

        (receipt,) = receipts("--tenant", "acme")
        assert [key["fingerprint"] for key in receipt["data_keys"]] == [first, second]
        assert receipt["erased"] == {
            "members": 1,
            "api_keys": 1,
            "providers": 1,
            "models": 1,
            "queued_jobs": 0,
            "running_jobs": 0,
        }
        assert receipt["deleted_by"]["label"] == "owner@acme.example"
        (line,) = [log for log in logs if log["event"] == "tenant_deleted"]
        assert (line["receipt"], line["data_keys"]) == (receipt["id"], [f"1:{first}", f"2:{second}"])
        assert "owner@acme.example" not in str(line)

    def test_that_no_longer_opened_do_not_keep_the_tenant_alive(self, acme, secret):
        TenantKey.unscoped.filter(tenant_id=acme.id).update(wrapped=b"broken")
        data_keys.forget(acme.id)

        assert as_owner(acme).delete(f"{acme.path}?cascade=true").status_code == 204
        assert receipts()[0]["data_keys"][0]["fingerprint"] is None

    def test_wait_for_cascade_while_the_tenant_has_providers(self, acme, secret):
        refused = as_owner(acme).delete(acme.path)

        assert (refused.status_code, refused.json()["code"]) == (409, "in_use")
        assert refused.json()["impact"]["providers"] == ["gpu-box"]
        assert refused.json()["impact"]["models"] == ["gpt-3.5-turbo"]
        assert not DeletionReceipt.objects.exists()
        assert TenantKey.unscoped.filter(tenant_id=acme.id).exists()


@pytest.fixture
def no_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """By which a worker would find out by itself, in time. To be asked for before the worker."""
    monkeypatch.setattr("providers.jobs.heartbeat.BEAT_SECONDS", 3600.0)
    monkeypatch.setattr("providers.jobs.claims.LEASE_SECONDS", 3600)


class TestItsJobs:
    def test_leave_nothing_in_redis(self, acme_jobs: JobsClient, team: Team, worker: None) -> None:
        job = acme_jobs.submit()
        acme_jobs.ended(job["id"])
        assert text_of(acme_jobs.events(job["id"])) == "Hello from the model."
        worker_loop.stop(60.0)  # it has said its last word
        assert job["id"] in everything_in_redis()

        as_owner(team).delete(f"{team.path}?cascade=true")

        left = everything_in_redis()
        assert job["id"] not in left
        assert str(team.id) not in left
        assert team.id.hex not in left

    def test_that_run_are_hung_up_on(
        self,
        no_heartbeat: None,
        acme_jobs: JobsClient,
        team: Team,
        worker: None,
        localai: FakeLocalAI,
    ) -> None:
        localai.dial.stall_after_tokens = 2
        job = acme_jobs.submit()
        call = wait_for(lambda: localai.requests("/v1/chat/completions"), seconds=60)[0]
        wait_for(lambda: sync_redis().xlen(key("job", job["id"], "events")), seconds=60)

        as_owner(team).delete(f"{team.path}?cascade=true")

        wait_for(lambda: call.aborted_at is not None, seconds=60)
        assert not Tenant.objects.filter(pk=team.id).exists()
        assert not Job.unscoped.exists()
