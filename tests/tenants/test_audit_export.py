"""The whole audit log leaves as NDJSON, oldest first, in chunks; few exports run at once."""

import json

import httpx
import pytest

from tenants import in_db
from tenants.actors import SYSTEM
from tenants.api.audit_export import CHUNK_EVENTS
from tenants.audit import record
from tenants.models import AuditEvent
from tests.factories import bearer
from tests.stack.serving import serving
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db


def fill(team, number, **detail):
    for _ in range(number):
        record(tenant=team.id, by=SYSTEM, action="x.done", object_type="x", object_id=None, label="", detail=detail)


def export(team, client=None, **asked):
    return (client or team.client).get(f"{team.path}/audit-events/export", asked)


def lines(answer):
    return [json.loads(line) for line in answer.getvalue().decode().splitlines()]


def test_every_event_is_there_once_in_its_order(acme, globex):
    fill(acme, 2 * CHUNK_EVENTS)
    fill(globex, 3)

    answer = export(acme)

    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert 'filename="acme-audit.ndjson"' in answer.headers["Content-Disposition"]
    assert [one["seq"] for one in lines(answer)] == list(range(1, 2 * CHUNK_EVENTS + 4))


def test_a_line_is_what_the_list_shows(acme):
    listed = acme.client.get(f"{acme.path}/audit-events").json()["results"]

    assert lines(export(acme)) == listed[::-1]


def test_each_line_names_the_one_before(acme):
    exported = lines(export(acme))

    assert [one["prev_hash"] for one in exported[1:]] == [one["hash"] for one in exported[:-1]]


def test_it_can_be_narrowed_like_the_list(acme):
    fill(acme, 2)

    assert [one["action"] for one in lines(export(acme, action="x.done"))] == ["x.done", "x.done"]
    assert export(acme, **{"from": "yesterday"}).json()["code"] == "invalid_parameter"


def test_what_stands_outside_the_chain_comes_last(acme):
    AuditEvent(tenant=acme.tenant, actor_kind="system", action="old.one", object_type="x").save()

    assert lines(export(acme))[-1]["action"] == "old.one"


def test_it_takes_the_right_to_read_the_log(acme, globex):
    assert lines(export(acme, acme.client_with("audit:read")))
    assert export(acme, acme.client_with("admin")).status_code == 403
    assert export(acme, globex.client).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_readers_who_take_their_time_leave_the_others_their_threads(acme, redis_url, settings):
    from config.asgi import application

    settings.REDIS_URL = redis_url
    fill(acme, 2 * CHUNK_EVENTS, padding="x" * 10_000)  # more than the buffers of a connection hold
    with serving(application) as (host, port):
        url = f"http://{host}:{port}{acme.path}"
        with (
            httpx.Client(headers=bearer(acme.key), trust_env=False, timeout=60) as client,
            client.stream("GET", f"{url}/audit-events/export") as first,
            client.stream("GET", f"{url}/audit-events/export"),
        ):
            third = client.get(f"{url}/audit-events/export")
            beside = client.get(url)
            read = sum(line.count("\n") for line in first.iter_text())

        again = {"headers": bearer(acme.key), "timeout": 60}
        wait_for(lambda: httpx.get(f"{url}/audit-events/export", **again).status_code == 200, seconds=60)
    in_db.close_pool()

    assert (third.status_code, third.json()["code"]) == (429, "rate_limit_exceeded")
    assert int(third.headers["Retry-After"]) > 0
    assert beside.status_code == 200
    assert read == 2 * CHUNK_EVENTS + 3
