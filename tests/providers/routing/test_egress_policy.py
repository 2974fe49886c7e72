"""Where a tenant's calls may go: the operator's setting and grants, and never the platform itself."""

from datetime import timedelta
from ipaddress import ip_address

import pytest
from django.utils import timezone

from providers import own_addresses
from providers.routing import egress_policy
from tests.providers.rows import grant
from tests.security.doors import NameServer

pytestmark = pytest.mark.django_db

BOX = ip_address("192.168.1.100")


@pytest.fixture(autouse=True)
def nothing_allowed(settings):
    settings.EGRESS_ALLOW = []
    own_addresses.forget()
    yield
    own_addresses.forget()


def test_production_allows_nothing_until_told(acme):
    assert not egress_policy(acme.id).allows(BOX, 8080)


def test_the_setting_opens_its_ranges_and_ports(acme, settings):
    settings.EGRESS_ALLOW = ["192.168.0.0/16:8080-8090"]

    policy = egress_policy(acme.id)

    assert policy.allows(BOX, 8080)
    assert not policy.allows(BOX, 22)


def test_a_grant_to_one_tenant_opens_nothing_for_another(acme, globex):
    grant("192.168.1.100/32", tenant_id=acme.id)

    assert egress_policy(acme.id).allows(BOX, 8080)
    assert not egress_policy(globex.id).allows(BOX, 8080)


def test_a_grant_ends_when_it_expires(acme):
    grant("192.168.1.100/32", expires_at=timezone.now() - timedelta(seconds=1))

    assert not egress_policy(acme.id).allows(BOX, 8080)


def test_another_content_is_another_version(acme):
    before = egress_policy(acme.id).version
    grant("192.168.1.100/32")

    assert egress_policy(acme.id).version != before


def test_the_platforms_own_redis_stays_closed(acme, settings):
    settings.EGRESS_ALLOW = ["127.0.0.0/8"]
    settings.REDIS_URL = "redis://127.0.0.1:6399/0"

    policy = egress_policy(acme.id)

    assert policy.closes(ip_address("127.0.0.1"), 6399)
    assert not policy.closes(ip_address("127.0.0.1"), 8080)


def test_a_part_of_the_platform_that_is_not_found_at_first_is_closed_once_it_is(acme, settings, monkeypatch):
    settings.EGRESS_ALLOW = ["10.0.0.0/8"]
    settings.REDIS_URL = "redis://redis.test:6399/0"
    monkeypatch.setattr(own_addresses, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(own_addresses, "FRESH_SECONDS", 0.0)
    names = NameServer(monkeypatch, {})
    before = egress_policy(acme.id)
    names.known = {"redis.test": ["10.0.0.7"]}
    found = egress_policy(acme.id)
    names.known = {"redis.test": ["10.0.0.8"]}
    moved = egress_policy(acme.id)
    names.known = {}
    unknown_again = egress_policy(acme.id)

    here, there = ip_address("10.0.0.7"), ip_address("10.0.0.8")
    assert not before.closes(here, 6399)
    assert (found.closes(here, 6399), moved.closes(there, 6399), unknown_again.closes(there, 6399)) == (True,) * 3
    assert len({before.version, found.version, moved.version}) == 3
