"""Whoever edits, removes, moves or cuts off audit events in the database is found by `verify_audit`."""

import hmac
import io
from datetime import timedelta
from itertools import pairwise
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import F

from tenants import audit, audit_chain
from tenants.actors import SYSTEM
from tenants.models import AuditEvent, AuditHead
from tenants.models.audit_event import AppendOnly
from tenants.registration import change_tenant

pytestmark = pytest.mark.django_db


def events(team):
    return AuditEvent.objects.for_tenant(team.id)


def head(team):
    return AuditHead.objects.for_tenant(team.id)


def verify(**options):
    """What the command said, and whether it ended well."""
    said = io.StringIO()
    try:
        call_command("verify_audit", stdout=said, no_color=True, **options)
    except CommandError as error:
        return f"{said.getvalue()}{error}", False
    return said.getvalue(), True


@pytest.fixture
def log(acme, globex):
    """acme's log of eight events, globex's of three."""
    for number in range(5):
        change_tenant(acme.tenant, by=SYSTEM, changes={"name": f"Acme {number}"})
    assert events(acme).count() == 8
    return events(acme)


def test_an_untouched_log_is_whole(log):
    said, is_whole = verify()

    assert is_whole
    assert "acme: 8 events, whole. Head 8:" in said
    assert "globex: 3 events, whole." in said


def test_each_event_names_the_one_before(log):
    rows = list(log.order_by("seq"))

    assert [row.seq for row in rows] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert rows[0].prev_hash == "0" * 64
    assert all(later.prev_hash == earlier.hash for earlier, later in pairwise(rows))


EDITS = {
    "actor_kind": "user",
    "actor_id": uuid4(),
    "actor_label": "mallory@acme.example",
    "action": "tenant.renamed",
    "object_type": "api_key",
    "object_id": uuid4(),
    "object_label": "nothing",
    "detail": {"fields": []},
    "request_id": "request-of-mallory",
    "created_at": F("created_at") + timedelta(microseconds=1),
    "prev_hash": "0" * 64,
    "hash": "f" * 64,
    "id": uuid4(),
}


def test_every_column_can_be_tried(log):
    columns = {field.attname for field in AuditEvent._meta.concrete_fields}

    assert columns == {*EDITS, "seq", "tenant_id"}


@pytest.mark.parametrize("column", EDITS)
def test_an_edited_event_is_found(log, column):
    log.filter(seq=4).update(**{column: EDITS[column]})

    said, is_whole = verify()

    assert not is_whole
    assert "acme: Event 4" in said
    assert "globex: 3 events, whole." in said


def test_a_removed_event_is_found(log):
    log.filter(seq=4).delete()

    assert "acme: Event 4 is missing." in verify()[0]


def test_a_removed_event_is_found_also_where_the_others_moved_up(log):
    log.filter(seq=4).delete()
    for seq in range(5, 9):
        log.filter(seq=seq).update(seq=F("seq") - 1)

    said, is_whole = verify()

    assert not is_whole
    assert "acme: Event 4" in said


@pytest.mark.parametrize("seq", [1, 8])
def test_the_first_and_the_last_event_are_missed_too(log, seq):
    log.filter(seq=seq).delete()

    assert f"acme: Event {seq} is missing." in verify()[0]


def test_two_events_in_each_others_place_are_found(log):
    log.filter(seq=3).update(seq=99)
    log.filter(seq=4).update(seq=3)
    log.filter(seq=99).update(seq=4)

    said, is_whole = verify()

    assert not is_whole
    assert "acme: Event 3" in said
    assert "acme: Event 4" in said


def test_a_log_that_was_cut_off_is_found(log):
    log.filter(seq__gt=5).delete()

    assert "acme: Events 6 to 8 are missing. The log was cut off." in verify()[0]


def test_a_log_that_was_cut_off_together_with_its_head_is_found(log, acme):
    log.filter(seq__gt=5).delete()
    head(acme).update(seq=5, hash=log.get(seq=5).hash)

    assert "acme: The head of the chain was altered." in verify()[0]


def test_an_emptied_log_is_found(log):
    log.delete()

    assert "acme: Events 1 to 8 are missing." in verify()[0]


def test_a_log_without_its_head_is_found(log, acme):
    log.delete()
    head(acme).delete()

    assert "acme: The head of the chain is missing." in verify()[0]


def test_an_event_that_was_put_in_is_found(log, acme):
    forged = AuditEvent(tenant=acme.tenant, actor_kind="system", action="x", object_type="x", seq=9, hash="0" * 64)
    forged.save()

    assert "acme: Event 9 (x) stands beyond the end of the chain." in verify()[0]


def test_an_event_that_was_put_in_outside_the_chain_is_found(log, acme):
    AuditEvent(tenant=acme.tenant, actor_kind="system", action="x", object_type="x").save()

    assert "acme: 1 events stand outside the chain." in verify()[0]


def test_an_event_of_another_tenants_log_does_not_fit(log, acme, globex):
    log.filter(seq=2).delete()
    events(globex).filter(seq=2).update(tenant=acme.tenant)

    said, _ = verify()

    assert "acme: Event 2" in said
    assert "globex: Event 2 is missing." in said


def test_another_tenants_head_does_not_fit(log, acme, globex):
    theirs = head(globex).get()
    head(acme).update(key=theirs.key, seq=theirs.seq, hash=theirs.hash, mac=theirs.mac)

    assert "acme: The head of the chain was altered." in verify()[0]


def test_a_chain_made_anew_with_another_key_is_found(log, acme):
    """All that somebody without the keyring can do."""
    forged = head(acme).get()
    forged.key = "test:" + "A" * 80
    forged.save()

    said, is_whole = verify()

    assert not is_whole
    assert "acme: The key of the chain does not open" in said


def test_a_former_state_of_table_and_head_is_found_by_a_noted_head(log, acme):
    former = head(acme).get()
    change_tenant(acme.tenant, by=SYSTEM, changes={"name": "What nobody shall know"})
    noted = f"9:{head(acme).get().hash}"
    log.filter(seq=9).delete()
    former.save()

    assert verify(tenant="acme")[1]
    assert "acme: Event 9 is not the one whose hash was noted" in verify(tenant="acme", head=noted)[0]


def test_a_noted_head_stays_good_when_the_log_grows(log, acme):
    noted = f"8:{head(acme).get().hash}"
    change_tenant(acme.tenant, by=SYSTEM, changes={"name": "More"})

    assert verify(tenant="acme", head=noted)[1]


def test_one_tenant_is_checked_alone(log, globex):
    events(globex).filter(seq=1).delete()

    assert verify(tenant="acme")[1]
    assert not verify(tenant="globex")[1]


@pytest.mark.parametrize(
    "options", [{"tenant": "nobody"}, {"head": "1:x"}, {"tenant": "acme", "head": "last"}], ids=str
)
def test_options_that_make_no_sense_are_refused(log, options):
    assert not verify(**options)[1]


def test_the_log_goes_on_after_a_new_keyring_key(log, acme, settings):
    import base64

    settings.KEYRING = f"new:{base64.b64encode(bytes(range(7, 39))).decode()},{settings.KEYRING}"
    call_command("rotate_keys", kek=True, stdout=io.StringIO(), stderr=io.StringIO())
    change_tenant(acme.tenant, by=SYSTEM, changes={"name": "After"})

    assert head(acme).get().key.startswith("new:")
    assert verify()[1]


def test_events_of_the_release_before_are_taken_in_on_request(log, acme):
    AuditEvent(tenant=acme.tenant, actor_kind="system", action="old.one", object_type="x").save()

    said, is_whole = verify(adopt=True)

    assert is_whole
    assert "acme: 1 events taken in." in said
    assert events(acme).get(action="old.one").seq == 9


def test_numbers_and_nested_facts_verify_on_either_database(acme):
    audit.record(
        tenant=acme.tenant,
        by=SYSTEM,
        action="odd.detail",
        object_type="x",
        object_id=None,
        label="ä\u2028 '\"\\",
        detail={
            "f": 1.0,
            "g": 0.1,
            "big": 1e20,
            "small": 1e-7,
            "n": None,
            "t": (1, 2),
            "d": {"b": 1, "a": [True]},
            5: "",
        },
    )

    assert verify(tenant="acme")[1]


class TestAppendOnly:
    def test_an_event_is_not_saved_again(self, log):
        with pytest.raises(AppendOnly):
            log.first().save()

    def test_an_event_is_not_deleted(self, log):
        with pytest.raises(AppendOnly):
            log.first().delete()

    def test_what_is_rolled_back_leaves_no_gap(self, log, acme):
        with transaction.atomic():
            change_tenant(acme.tenant, by=SYSTEM, changes={"name": "Never"})
            transaction.set_rollback(True)
        acme.tenant.refresh_from_db()
        change_tenant(acme.tenant, by=SYSTEM, changes={"name": "Then"})

        assert verify()[1]
        assert log.latest("seq").seq == 9

    def test_the_log_goes_with_its_tenant(self, log, globex):
        from tenants.deletion import delete_tenant

        delete_tenant(globex.tenant, by=SYSTEM, cascade=True)

        assert verify()[1]
        assert "globex" not in verify()[0]


@pytest.mark.django_db(transaction=True)
def test_changes_at_the_same_time_form_one_chain(acme):
    from concurrent.futures import ThreadPoolExecutor

    def change(number):
        try:
            audit.record(tenant=acme.id, by=SYSTEM, action="x.done", object_type="x", object_id=None, label=str(number))
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(change, range(30)))

    assert verify()[1]
    assert events(acme).latest("seq").seq == 33


@pytest.mark.django_db(transaction=True)
def test_the_first_events_of_a_tenant_may_come_at_the_same_time(acme):
    from concurrent.futures import ThreadPoolExecutor

    events(acme).delete()
    head(acme).delete()

    def record(_):
        try:
            audit.record(tenant=acme.id, by=SYSTEM, action="x.done", object_type="x", object_id=None, label="")
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(record, range(4)))

    assert verify(tenant="acme")[1]


def test_the_form_of_what_is_hashed_is_frozen():
    """A stored chain must verify in every later release: a change here needs a new format beside this one."""
    from datetime import UTC, datetime
    from uuid import UUID

    event = AuditEvent(
        id=UUID(int=1),
        tenant_id=UUID(int=2),
        actor_kind="user",
        actor_id=UUID(int=3),
        actor_label="jo@acme.example",
        action="provider.created",
        object_type="provider",
        object_id=None,
        object_label="gpu-box",
        detail={"b": [1, 2.0], "a": "ä"},
        request_id="request-1",
        created_at=datetime(2027, 1, 31, 12, 0, 0, 5, tzinfo=UTC),
        seq=7,
        prev_hash="0" * 64,
    )

    hashed = (
        '{"action":"provider.created","actor_id":"00000000-0000-0000-0000-000000000003","actor_kind":"user",'
        '"actor_label":"jo@acme.example","created_at":"2027-01-31T12:00:00.000005+00:00",'
        '"detail":{"a":"\\u00e4","b":[1,2]},"format":1,"id":"00000000-0000-0000-0000-000000000001",'
        '"object_id":null,"object_label":"gpu-box","object_type":"provider",'
        '"prev_hash":"0000000000000000000000000000000000000000000000000000000000000000",'
        '"request_id":"request-1","seq":7,"tenant":"00000000-0000-0000-0000-000000000002"}'
    )
    assert audit_chain.event_hash(b"k" * 32, event) == hmac.digest(b"k" * 32, hashed.encode(), "sha256").hex()
