"""Who may call /v1: a living key of ours with the right scope, and nobody once it is revoked."""

from datetime import timedelta

import pytest
from django.utils import timezone

from providers.invalidation import invalidate, is_listening
from providers.redis import key as redis_key
from providers.redis import sync_redis
from tenants.actors import SYSTEM
from tenants.keys import revoke_key, rotate_key
from tenants.members import change_role, remove_member
from tenants.models import ApiKey, Membership
from tenants.people import set_active
from tenants.registration import suspend_tenant
from tests.providers.gateway.conftest import HELLO, NO_KEY, error
from tests.waiting import wait_for

# What stops a key here is the word about the change, however long the key is remembered.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nothing_lapses")]


def chat_with(gateway, key):
    return gateway.post("chat/completions", HELLO, key=key)


@pytest.mark.parametrize("key", [NO_KEY, "sk-of-somebody-else", "myd_live_aaaaaaaaaa_" + "b" * 49])
def test_what_is_no_key_of_ours_is_401(gateway, key):
    response = chat_with(gateway, key)

    assert error(response) == (401, "invalid_api_key")
    assert "www-authenticate" in response.headers


def test_an_expired_key_is_401(gateway, clock_of_keys):
    key = gateway.team.key_of(gateway.team.owner, expires_at=timezone.now() + timedelta(seconds=600))
    assert chat_with(gateway, key).status_code == 200

    clock_of_keys.forward(601)

    assert chat_with(gateway, key).status_code == 401


def test_a_key_without_the_scope_is_403(gateway):
    key = gateway.team.key_of(gateway.team.owner, ["jobs:read"])

    response = chat_with(gateway, key)

    assert error(response) == (403, "insufficient_scope")
    assert "`infer`" in response.json()["error"]["message"]


def test_a_key_used_from_a_foreign_address_is_403(gateway):
    key = gateway.team.key_of(gateway.team.owner, allowed_cidrs=("203.0.113.0/24",))

    assert error(chat_with(gateway, key)) == (403, "address_not_allowed")


def test_a_suspended_tenant_is_403(gateway):
    suspend_tenant(gateway.team.tenant, by=SYSTEM)

    assert error(gateway.chat()) == (403, "tenant_suspended")


def test_a_revoked_key_stops_at_once(gateway):
    key = gateway.team.key_of(gateway.team.owner)
    assert chat_with(gateway, key).status_code == 200

    revoke_key(ApiKey.objects.for_tenant(gateway.team.id).latest("id"), by=SYSTEM)

    wait_for(lambda: chat_with(gateway, key).status_code == 401)


def test_a_secret_that_was_rotated_away_stops_at_once(gateway):
    key = gateway.team.key_of(gateway.team.owner)
    row = ApiKey.objects.for_tenant(gateway.team.id).latest("id")
    assert chat_with(gateway, key).status_code == 200

    new = rotate_key(row, overlap_seconds=0, by=SYSTEM)

    wait_for(lambda: chat_with(gateway, key).status_code == 401)
    assert chat_with(gateway, new).status_code == 200


def test_the_former_secret_ends_with_the_overlap(gateway, clock_of_keys):
    key = gateway.team.key_of(gateway.team.owner)
    row = ApiKey.objects.for_tenant(gateway.team.id).latest("id")
    new = rotate_key(row, overlap_seconds=600, by=SYSTEM)
    assert chat_with(gateway, key).status_code == 200

    clock_of_keys.forward(601)

    assert chat_with(gateway, key).status_code == 401
    assert chat_with(gateway, new).status_code == 200


def test_a_demoted_persons_key_loses_its_rights_at_once(gateway):
    jo = gateway.team.person("member")
    key = gateway.team.key_of(jo)
    assert chat_with(gateway, key).status_code == 200

    change_role(Membership.objects.for_tenant(gateway.team.id).get(user=jo), role="viewer", by=SYSTEM)

    wait_for(lambda: chat_with(gateway, key).status_code == 403)


def test_the_key_of_somebody_who_was_removed_loses_its_rights_at_once(gateway):
    jo = gateway.team.person("member")
    key = gateway.team.key_of(jo)
    assert chat_with(gateway, key).status_code == 200

    remove_member(Membership.objects.for_tenant(gateway.team.id).get(user=jo), by=SYSTEM)

    wait_for(lambda: chat_with(gateway, key).status_code == 403)


def test_the_key_of_a_person_who_was_switched_off_loses_its_rights_at_once(gateway):
    jo = gateway.team.person("member")
    key = gateway.team.key_of(jo)
    assert chat_with(gateway, key).status_code == 200

    set_active(jo, False, by=SYSTEM)

    wait_for(lambda: chat_with(gateway, key).status_code == 403)


def test_what_another_process_revoked_stops_at_once_here(gateway):
    key = gateway.team.key_of(gateway.team.owner)
    assert chat_with(gateway, key).status_code == 200
    wait_for(is_listening)

    ApiKey.objects.for_tenant(gateway.team.id).update(revoked_at=timezone.now())
    sync_redis().publish(redis_key("invalidate"), str(gateway.team.id))

    wait_for(lambda: chat_with(gateway, key).status_code == 401)


def test_a_switched_off_model_stops_at_once(gateway):
    assert gateway.chat().status_code == 200
    gateway.chat_model.enabled = False
    gateway.chat_model.save()
    invalidate(gateway.team.id)

    wait_for(lambda: gateway.chat().status_code == 403)


def test_a_session_is_no_key(gateway):
    with gateway.client(NO_KEY) as client:
        response = client.get("/v1/models", headers={"Cookie": "sessionid=abc"})

    assert error(response) == (401, "invalid_api_key")
