"""Forbidden addresses in some ninety classes of spelling, at each of the doors through which a tenant's address comes
to be dialled: no denied one ever is. And those that people mean are taken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.db import connection

from providers import worker_loop
from providers.egress_grants import grant_egress
from providers.jobs import worker as jobs_worker
from tenants.actors import Actor
from tests.factories import Team
from tests.fakes.localai import FakeLocalAI
from tests.security.addresses import ANSWERS, BENIGN, FORBIDDEN
from tests.security.dials import Dials, watched
from tests.security.doors import Doors, NameServer

pytestmark = [pytest.mark.any_database, pytest.mark.timeout(600)]  # hundreds of calls, some of which take a second

OPERATOR = Actor("operator", None, "ops@platform.example")
PUBLIC = {("1.1.1.1", 443)}  # what a public name leads to
REFUSALS = {"url_malformed", "url_scheme_unsupported", "url_has_credentials", "url_bind_address", "null_character"}
NOT_DIALLED = {"destination_forbidden", "dns_failed"}
LAN = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "[::1]", "[fc00::/7]"]


@pytest.fixture
def worker(url: str, settings: Any) -> Iterator[None]:
    settings.VALIDATIONS_PER_MINUTE = 100_000
    settings.VALIDATIONS_AT_ONCE = 200  # each refusal takes a second on purpose
    settings.EGRESS_ALLOW = []
    settings.JOB_MAX_ATTEMPTS = 1

    async def begin() -> None:
        jobs_worker.begin()

    worker_loop.submit(begin()).result(60)
    yield
    worker_loop.stop(1.0)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> NameServer:
    return NameServer(monkeypatch, ANSWERS)


@pytest.fixture
def doors(url: str, acme: Team, worker: None, names: NameServer) -> Iterator[Doors]:
    opened = Doors(acme, url)
    yield opened
    opened.http.close()


@pytest.fixture
def dials(url: str, doors: Doors) -> Iterator[Dials]:
    at = urlsplit(url)
    assert at.hostname
    assert at.port
    with watched((at.hostname, at.port)) as seen:
        yield seen


def codes_of(answer: httpx.Response) -> set[str]:
    """Why it was refused; nothing where it was not."""
    assert answer.status_code in (200, 201, 202, 400)
    return {error["code"] for error in answer.json().get("errors", [])}


def may_be_stored(base_url: str) -> bool:
    """Whether a row that holds it could be written and read at all."""
    if "\x00" in base_url and connection.vendor == "postgresql":
        return False
    try:
        parts = urlsplit(base_url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def test_what_is_refused_at_save_is_refused_at_every_form_and_nothing_is_dialled(doors, dials):
    queued, seen = [], set()
    for name, base_url in FORBIDDEN:
        created = doors.create(base_url)
        if created.status_code == 201:
            queued.append(created.json()["last_validation"]["id"])
        else:
            assert codes_of(created) <= {*REFUSALS, "destination_forbidden"}, (name, base_url, created.text)
        if name not in seen:  # one of each class: the forms judge alike
            seen.add(name)
            patched, tried = doors.patch(base_url), doors.try_form(base_url)
            assert codes_of(patched) == codes_of(tried) == codes_of(created), (name, base_url)
            queued += [tried.json()["id"]] if tried.status_code == 202 else []

    found = doors.carry_out(queued)

    assert len(seen) == 86
    assert set(found) - {"connection_refused"} <= NOT_DIALLED
    assert dials.places <= PUBLIC


def test_an_address_that_was_stored_by_mistake_is_dialled_by_no_worker_and_no_call(doors, dials):
    stored = [doors.store(base_url) for _, base_url in FORBIDDEN if may_be_stored(base_url)]

    validated = doors.validate(*stored)
    ran = doors.run(*stored)
    listed = doors.discover(*stored)
    called = doors.call_all(*stored) + doors.call_all(*stored, stream=True)

    assert len(stored) > 90
    assert dials.places <= PUBLIC
    assert set(validated) == set(ran) == set(listed) == NOT_DIALLED
    assert {(answer.status_code, answer.json()["error"]["code"]) for answer in called} == {
        (502, "provider_unreachable")
    }


def test_addresses_that_people_mean_are_taken_and_dialled_where_the_operator_allows_it(doors, dials, settings, names):
    settings.EGRESS_ALLOW = LAN
    names.known.update(
        {
            urlsplit(stored).hostname: ["1.1.1.1"] if stored.startswith("https") else ["10.20.30.40"]
            for stored in BENIGN.values()
        }
    )
    answers = {typed: doors.create(typed) for typed in BENIGN}
    found = doors.carry_out([answer.json()["last_validation"]["id"] for answer in answers.values()])

    assert len(BENIGN) >= 30
    assert {typed: answer.json()["base_url"] for typed, answer in answers.items()} == BENIGN
    assert set(found) <= {"connection_refused", "connection_refused_loopback"}
    assert ("192.168.1.100", 8080) in dials.places


def test_a_localai_on_the_lan_is_reached_by_a_grant_alone(doors, dials):
    box = doors.store("http://192.168.1.100:8080")
    before = doors.validate(box), doors.run(box), doors.call(box).json()["error"]["code"]
    seen_before = dials.places

    grant_egress(by=OPERATOR, cidr="192.168.1.100", port_from=8080, port_to=8080, tenant=doors.team.tenant)
    after = doors.validate(box), doors.run(box), doors.call(box).json()["error"]["code"]

    assert before == (["destination_forbidden"], ["destination_forbidden"], "provider_unreachable")
    assert seen_before == set()
    assert after == (["connection_refused"], ["connection_refused"], "provider_unreachable")
    assert dials.places == {("192.168.1.100", 8080)}


def test_each_door_is_seen_to_dial_what_it_may(doors, dials):
    """The watch itself works at every door: else an empty list would prove nothing."""
    for door in (doors.validate, doors.run, doors.discover, doors.call):
        with FakeLocalAI() as localai:  # a new one each time: no connection is kept from the door before
            grant_egress(by=OPERATOR, cidr="127.0.0.1", port_from=localai.port, port_to=localai.port)
            dials.seen.clear()
            done = door(doors.store(localai.url))

            assert done in (["passed"], ["succeeded"]) or done.status_code == 200
            assert dials.places == {("127.0.0.1", localai.port)}
