"""The same POST sent twice with one `Idempotency-Key` does its work once and is told the same."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tenants import idempotency
from tenants.ids import new_id
from tenants.models import ApiKey, IdempotencyRecord
from tests.factories import ApiClient, make_user

pytestmark = pytest.mark.django_db

KEY = {"Idempotency-Key": "4f1c"}


def make_key(acme, name="ci", headers=KEY, client=None):
    return (client or acme.client).post(f"{acme.path}/api-keys", {"name": name}, headers=headers)


def made(acme):
    return ApiKey.objects.for_tenant(acme.id).filter(name="ci").count()


def test_the_second_gets_the_first_ones_answer(acme):
    first, second = make_key(acme), make_key(acme)

    assert (second.status_code, second.content) == (201, first.content)
    assert second.headers["Location"] == first.headers["Location"]
    assert second.headers["ETag"] == first.headers["ETag"]
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert made(acme) == 1


def test_another_body_is_refused(acme):
    make_key(acme)

    answer = make_key(acme, name="other")

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


def test_another_key_is_another_request(acme):
    make_key(acme)
    make_key(acme, headers={"Idempotency-Key": "4f1d"})

    assert made(acme) == 2


def test_no_key_means_no_memory(acme):
    make_key(acme, headers={})
    make_key(acme, headers={})

    assert made(acme) == 2
    assert not IdempotencyRecord.objects.exists()


def test_two_callers_may_use_the_same_key(acme):
    make_key(acme)
    make_key(acme, client=acme.client_with("admin", "infer"))

    assert made(acme) == 2


def test_while_the_first_is_running_the_second_gets_409(acme):
    make_key(acme)
    IdempotencyRecord.objects.update(status=None, answer=None)

    answer = make_key(acme)

    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_in_progress")
    assert made(acme) == 1


def test_a_key_whose_request_died_is_free_after_five_minutes(acme):
    make_key(acme)
    died = timezone.now() - timedelta(minutes=6)
    IdempotencyRecord.objects.update(status=None, answer=None, created_at=died)

    assert make_key(acme).status_code == 201
    assert made(acme) == 2


def test_after_a_day_the_answer_is_forgotten(acme):
    make_key(acme)
    IdempotencyRecord.objects.update(created_at=timezone.now() - timedelta(hours=25))

    assert "Idempotent-Replayed" not in make_key(acme).headers


def test_the_sweep_forgets_what_is_older_than_a_day(acme):
    make_key(acme)
    make_key(acme, headers={"Idempotency-Key": "4f1d"})
    IdempotencyRecord.objects.filter(key="4f1c").update(created_at=timezone.now() - timedelta(hours=25))

    assert idempotency.purge() == 1
    assert IdempotencyRecord.objects.get().key == "4f1d"


def test_a_refusal_frees_the_key(acme):
    refused = make_key(acme, name="")
    mended = make_key(acme)

    assert (refused.status_code, mended.status_code) == (400, 201)


def test_the_stored_answer_is_sealed(acme):
    key = make_key(acme).json()["key"]

    row = IdempotencyRecord.objects.get()

    assert key.encode() not in bytes(row.answer)


def test_a_tenant_is_founded_once(db):
    staff = ApiClient()
    staff.force_login(make_user("staff@modelyard.example", is_staff=True))
    first = staff.post("/api/v1/tenants", {"slug": "acme"}, headers=KEY)
    second = staff.post("/api/v1/tenants", {"slug": "acme"}, headers=KEY)

    assert (first.status_code, second.status_code) == (201, 201)
    assert second.content == first.content


@pytest.mark.parametrize("key", ["", "x" * 256, "ä", "a\tb"], ids=["empty", "long", "not-ascii", "tab"])
def test_a_key_that_is_none_is_refused(acme, key):
    answer = make_key(acme, headers={"Idempotency-Key": key})

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_invalid")


def test_a_stranger_leaves_no_record(acme, globex):
    assert make_key(acme, client=globex.client).status_code == 404
    assert not IdempotencyRecord.objects.exists()


def test_work_whose_claim_was_taken_over_is_undone(acme):
    """A request that hangs longer than five minutes must not add to what the second one did."""
    actor = new_id()
    claim = {"actor_id": actor, "route": "/x", "key": "1", "body_digest": "d", "tenant_id": acme.id}
    slow = idempotency.claim(**claim)
    IdempotencyRecord.objects.update(created_at=timezone.now() - timedelta(minutes=6))
    second = idempotency.claim(**claim)
    idempotency.settle(second, idempotency.Answer(201, {}, {"id": 1}), tenant_id=acme.id)

    with pytest.raises(idempotency.Problem, match="idempotency_in_progress"):
        idempotency.settle(slow, idempotency.Answer(201, {}, {"id": 2}), tenant_id=acme.id)
