"""An operator's grant opens an address for one tenant, on its ports, while it lasts; connections follow it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import time_machine
from django.utils import timezone

from providers.egress_grants import grant_egress, withdraw_egress
from providers.models import EgressGrant
from tenants.actors import Actor
from tests.factories import Team
from tests.fakes.localai import FakeLocalAI
from tests.security.dials import Dials, watched
from tests.security.doors import Doors
from tests.waiting import wait_for

pytestmark = pytest.mark.any_database

OPERATOR = Actor("operator", None, "ops@platform.example")
REACHED, REFUSED = 200, 502


@pytest.fixture(autouse=True)
def nothing_allowed(settings: Any) -> None:
    settings.EGRESS_ALLOW = []


@pytest.fixture
def localai() -> Iterator[FakeLocalAI]:
    with FakeLocalAI() as server:
        yield server


@pytest.fixture
def dials(url: str, acme: Team) -> Iterator[Dials]:
    at = urlsplit(url)
    with watched((str(at.hostname), int(at.port or 0))) as seen:
        yield seen


@pytest.fixture
def caller(url: str, localai: FakeLocalAI) -> Iterator[Callable[[Team], Callable[[], int]]]:
    """Makes, for a team, what calls the box through the gateway and gives the status."""
    opened: list[Doors] = []

    def make(team: Team) -> Callable[[], int]:
        doors = Doors(team, url)
        opened.append(doors)
        box = doors.store(localai.url)
        return lambda: doors.call(box).status_code

    yield make
    for doors in opened:
        doors.http.close()


def let_dial(localai: FakeLocalAI, **facts: Any) -> EgressGrant:
    facts = {"port_from": localai.port, "port_to": localai.port, **facts}
    return grant_egress(by=OPERATOR, cidr="127.0.0.1", **facts)


def test_two_tenants_with_one_address_share_neither_a_grant_nor_a_connection(caller, acme, globex, localai, dials):
    call_of_acme, call_of_globex = caller(acme), caller(globex)
    let_dial(localai, tenant=acme.tenant)

    assert [call_of_acme(), call_of_globex(), call_of_acme(), call_of_globex()] == [REACHED, REFUSED] * 2
    assert localai.connections == len(dials.seen) == 1  # kept for acme, and of no use to globex

    let_dial(localai, tenant=globex.tenant)
    assert [call_of_globex(), call_of_acme()] == [REACHED] * 2
    assert localai.connections == len(dials.seen) == 2


def test_a_grant_opens_its_ports_alone(caller, acme, localai, dials):
    call = caller(acme)
    let_dial(localai, port_from=localai.port + 1, port_to=localai.port + 1)

    assert call() == REFUSED
    assert dials.seen == []


def test_a_withdrawn_grant_closes_what_it_opened_at_once(caller, acme, localai, dials):
    call = caller(acme)
    grant = let_dial(localai)
    assert call() == REACHED
    assert localai.open_connections == 1

    withdraw_egress(grant, by=OPERATOR)

    wait_for(lambda: localai.open_connections == 0, seconds=60)
    assert call() == REFUSED
    assert len(dials.seen) == 1


def test_a_grant_ends_on_time_whatever_is_remembered_and_whatever_is_connected(caller, acme, localai, dials):
    call = caller(acme)
    grant = let_dial(localai, expires_at=timezone.now() + timedelta(hours=1))
    assert call() == REACHED

    with time_machine.travel(grant.expires_at):  # the wall clock alone: what is remembered gets no older
        assert call() == REFUSED
        wait_for(lambda: localai.open_connections == 0, seconds=60)
    assert len(dials.seen) == 1
