"""Who is let in, by which credential, and what everybody else is told."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tenants.actors import SYSTEM
from tenants.models import ApiKey, Tenant
from tenants.registration import resume_tenant, suspend_tenant
from tests.factories import ApiClient, bearer

pytestmark = pytest.mark.django_db


def me(**headers):
    return Client().get("/api/v1/me", headers=headers)


def test_a_key_opens_its_tenant(acme):
    answer = acme.client.get("/api/v1/me")

    assert answer.status_code == 200
    assert answer.json()["api_key"]["last4"] == acme.key[-4:]
    assert [entry["tenant"]["slug"] for entry in answer.json()["memberships"]] == ["acme"]


def test_nobody_gets_401_with_a_challenge(db):
    answer = me()

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="modelyard"'
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "authentication_failed"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_may_be_written_in_any_case(acme, scheme):
    assert me(Authorization=f"{scheme} {acme.key}").status_code == 200


def garbled(key):
    return {
        "empty": "",
        "blank": "   ",
        "another kind": "sk-1234567890",
        "cut": key[:-1],
        "longer": key + "x",
        "two": f"{key} {key}",
        "nul": f"{key}\x00",
        "not ascii": "myd_live_ß",
        "huge": "x" * 100_000,
    }


@pytest.mark.parametrize("sort", garbled("").keys())
def test_a_garbled_key_is_refused_without_a_query(acme, sort, django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = me(Authorization=f"Bearer {garbled(acme.key)[sort]}")

    assert answer.status_code == 401


def test_a_well_formed_key_that_nobody_made_is_refused(acme):
    from tenants import tokens

    assert me(**bearer(tokens.mint().key)).status_code == 401


def test_the_right_id_with_a_wrong_secret_is_refused(acme):
    from tenants import tokens

    other = tokens.mint()
    ApiKey.unscoped.filter(pk=acme.api_key.pk).update(key_id=other.key_id)

    assert me(**bearer(other.key)).status_code == 401


def test_a_revoked_key_is_refused_at_once(acme):
    key = acme.key_of(acme.owner)
    row = ApiKey.unscoped.get(created_by=acme.owner)
    acme.client.delete(f"{acme.path}/api-keys/{row.id}")

    assert me(**bearer(key)).status_code == 401


def test_a_key_is_refused_from_the_moment_it_expires(acme):
    key = acme.key_of(acme.owner, expires_at=timezone.now() + timedelta(hours=1))
    before = me(**bearer(key)).status_code
    ApiKey.unscoped.filter(created_by=acme.owner).update(expires_at=timezone.now())

    assert before == 200
    assert me(**bearer(key)).status_code == 401


def test_a_bad_key_is_not_saved_by_a_good_cookie(acme):
    browser = Client()
    browser.force_login(acme.owner)

    assert browser.get("/api/v1/me").status_code == 200
    assert browser.get("/api/v1/me", headers=bearer("myd_live_wrong")).status_code == 401


def test_a_key_counts_even_beside_somebody_elses_cookie_and_needs_no_csrf_token(acme, globex):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(globex.owner)

    answer = browser.post(
        f"{acme.path}/api-keys", {"name": "mine"}, content_type="application/json", headers=bearer(acme.key)
    )

    assert answer.status_code == 201


def test_a_key_is_one_query(acme, django_assert_num_queries):
    with django_assert_num_queries(1):
        acme.client.get("/api/v1/me")


def test_a_used_key_moves_to_the_present_pepper(acme, settings):
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-secret-key-0123456789-abcdefghijklmnopqrstuvwxyz"
    acme.client.get("/api/v1/me")
    settings.SECRET_KEY_FALLBACKS = []

    assert acme.client.get("/api/v1/me").status_code == 200


def test_a_suspended_tenant_lets_nobody_in_and_loses_nothing(acme):
    browser = Client()
    browser.force_login(acme.owner)
    tenant = suspend_tenant(acme.tenant, by=SYSTEM)
    answers = [acme.client.get(acme.path), browser.get(acme.path)]
    resume_tenant(tenant, by=SYSTEM)

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(403, "tenant_suspended")] * 2
    assert acme.client.get(acme.path).status_code == 200


def test_a_key_works_only_from_its_addresses(acme):
    key = acme.key_of(acme.owner, allowed_cidrs=("10.1.0.0/16", "fd00::/8"))
    client = ApiClient(headers=bearer(key))

    def from_address(address):
        return client.get("/api/v1/me", REMOTE_ADDR=address).status_code

    assert [from_address(one) for one in ("10.1.2.3", "fd00::1", "::ffff:10.1.2.3")] == [200] * 3
    assert [from_address(one) for one in ("10.2.0.1", "fe80::1", "::ffff:10.2.0.1", "", "unknown")] == [403] * 5


def test_a_forwarded_address_is_not_believed_here(acme):
    key = acme.key_of(acme.owner, allowed_cidrs=("10.1.0.0/16",))
    client = ApiClient(headers={**bearer(key), "X-Forwarded-For": "10.1.2.3"})

    assert client.get("/api/v1/me", REMOTE_ADDR="192.0.2.1").status_code == 403


class TestAKeyHoldsWhatItsCreatorHoldsNow:
    def test_demotion_bites_at_once(self, acme):
        admin = acme.person("admin")
        client = ApiClient(headers=bearer(acme.key_of(admin)))
        before = client.get(f"{acme.path}/members").status_code
        admin.memberships.update(role="viewer")
        after = client.get(f"{acme.path}/members")

        assert before == 200
        assert (after.status_code, after.json()["code"]) == (403, "insufficient_scope")

    def test_who_has_left_leaves_keys_without_any_right(self, acme):
        admin = acme.person("admin")
        client = ApiClient(headers=bearer(acme.key_of(admin)))
        admin.memberships.all().delete()

        assert client.get("/api/v1/me").json()["memberships"][0]["permissions"] == []
        assert client.get(f"{acme.path}/members").status_code == 403

    def test_who_was_switched_off_too(self, acme):
        admin = acme.person("admin")
        client = ApiClient(headers=bearer(acme.key_of(admin)))
        admin.is_active = False
        admin.save()

        assert client.get(f"{acme.path}/members").status_code == 403

    def test_an_operators_key_follows_nobody(self, acme):
        Tenant.objects.get(slug="acme")
        acme.owner.delete()

        assert acme.client.get(f"{acme.path}/members").status_code == 200
