"""A key gets a new secret while the one before goes on working: no client has to change at the same moment."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from tenants.actors import SYSTEM
from tenants.members import change_role
from tenants.models import ApiKey, AuditEvent, Membership
from tests.factories import ApiClient, bearer

pytestmark = pytest.mark.django_db

DAY = 24 * 3600


@pytest.fixture
def made(acme):
    """A key as its creation showed it."""
    return acme.client.post(f"{acme.path}/api-keys", {"name": "ci", "scopes": ["models:read"]}).json()


def rotate(acme, made, client=None, **body):
    body = body or {"overlap_seconds": DAY}
    return (client or acme.client).post(f"{acme.path}/api-keys/{made['id']}/rotate", body)


def opens(key):
    return ApiClient(headers=bearer(key)).get("/api/v1/me").status_code == 200


def test_both_secrets_work_until_the_overlap_ends(acme, made):
    with time_machine.travel("2027-03-01T12:00:00Z", tick=False) as clock:
        new = rotate(acme, made, overlap_seconds=3600).json()["key"]
        during = opens(made["key"]), opens(new)
        clock.shift(3600)
        after = opens(made["key"]), opens(new)

    assert during == (True, True)
    assert after == (False, True)


def test_without_an_overlap_the_old_secret_ends_at_once(acme, made):
    answer = rotate(acme, made, overlap_seconds=0)

    assert answer.json()["former_until"] is None
    assert not opens(made["key"])
    assert opens(answer.json()["key"])


def test_the_key_stays_the_same_but_for_its_secret(acme, made):
    answer = rotate(acme, made)

    changed = {name for name in made if made[name] != answer.json()[name]}
    assert answer.status_code == 200
    assert changed == {"key", "last4", "former_until", "updated_at"}
    assert answer.json()["key"].startswith(made["prefix"])


def test_the_new_secret_is_shown_once_and_stored_nowhere(acme, made):
    key = rotate(acme, made).json()["key"]

    for path in ("/api-keys", f"/api-keys/{made['id']}", "/audit-events"):
        assert key not in acme.client.get(acme.path + path).content.decode()
    assert key[20:] not in str(vars(ApiKey.unscoped.get(pk=made["id"])))


def test_a_second_rotation_ends_the_oldest_secret(acme, made):
    second = rotate(acme, made).json()["key"]
    third = rotate(acme, made).json()["key"]

    assert (opens(made["key"]), opens(second), opens(third)) == (False, True, True)


def test_revoking_ends_both_secrets(acme, made):
    new = rotate(acme, made).json()["key"]
    acme.client.delete(f"{acme.path}/api-keys/{made['id']}")

    assert (opens(made["key"]), opens(new)) == (False, False)


def test_the_keys_own_expiry_ends_both_secrets(acme):
    soon = (timezone.now() + timedelta(hours=1)).isoformat()
    made = acme.client.post(f"{acme.path}/api-keys", {"name": "ci", "expires_at": soon}).json()
    new = rotate(acme, made).json()["key"]

    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        assert (opens(made["key"]), opens(new)) == (False, False)


def test_a_narrower_limit_binds_both_secrets(acme, made):
    new = rotate(acme, made).json()["key"]
    acme.client.patch(f"{acme.path}/api-keys/{made['id']}", {"allowed_cidrs": ["203.0.113.0/24"]})

    assert (opens(made["key"]), opens(new)) == (False, False)


def test_both_secrets_outlive_a_new_secret_key(acme, made, settings):
    new = rotate(acme, made).json()["key"]
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-secret-key-0123456789-abcdefghijklmnopqrstuvwxyz"
    assert (opens(made["key"]), opens(new)) == (True, True)
    settings.SECRET_KEY_FALLBACKS = []

    assert (opens(made["key"]), opens(new)) == (True, True)


def test_it_is_audited_without_any_secret(acme, made):
    key = rotate(acme, made).json()["key"]

    event = AuditEvent.objects.for_tenant(acme.id).get(action="api_key.rotated")
    assert (event.object_label, event.detail) == ("ci", {"overlap_seconds": DAY})
    assert key not in str(vars(event))


def test_the_etag_moves(acme, made):
    answer = rotate(acme, made)
    stale = acme.client.patch(f"{acme.path}/api-keys/{made['id']}", {"name": "x"}, headers={"If-Match": '"1"'})

    assert answer.headers["ETag"] == '"2"'
    assert stale.status_code == 412


def test_the_same_request_sent_twice_rotates_once(acme, made):
    again = {"headers": {"Idempotency-Key": "rotate-ci"}}
    path, body = f"{acme.path}/api-keys/{made['id']}/rotate", {"overlap_seconds": DAY}
    first, second = (acme.client.post(path, body, **again) for _ in range(2))

    assert first.json() == second.json()
    assert opens(made["key"])


@pytest.mark.parametrize(
    "body",
    [
        {"overlap_seconds": -1},
        {"overlap_seconds": 7 * DAY + 1},
        {"overlap_seconds": "60"},
        {"overlap_seconds": 1.5},
        {"overlap_seconds": None},
        {"overlap_seconds": True},
        {"other": 1},
    ],
    ids=str,
)
def test_what_is_no_overlap_is_refused_and_changes_nothing(acme, made, body):
    answer = rotate(acme, made, **body)

    assert answer.status_code == 400
    assert opens(made["key"])


def test_the_overlap_must_be_said(acme, made):
    answer = acme.client.post(f"{acme.path}/api-keys/{made['id']}/rotate", {})

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "overlap_seconds")


class TestNobodyGetsMoreThanTheyHold:
    """Whoever rotates a key holds it afterwards."""

    def refused(self, answer):
        return (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")

    def test_an_admin_does_not_rotate_an_owners_key(self, acme):
        owners = ApiClient(headers=bearer(acme.key_of(acme.owner))).post(f"{acme.path}/api-keys", {"name": "x"}).json()

        assert self.refused(rotate(acme, owners, acme.client_as("admin")))

    def test_an_admin_does_not_rotate_the_operators_key(self, acme):
        assert self.refused(rotate(acme, {"id": acme.api_key.id}, acme.client_as("admin")))

    def test_an_admin_rotates_another_admins_key(self, acme):
        theirs = acme.client_as("admin").post(f"{acme.path}/api-keys", {"name": "theirs"}).json()
        other = ApiClient(headers=bearer(acme.key_of(acme.person("admin", "other@acme.example"))))

        assert rotate(acme, theirs, other).status_code == 200

    def test_a_key_with_fewer_scopes_does_not_rotate_one_with_more(self, acme, made):
        wide = acme.client.post(f"{acme.path}/api-keys", {"name": "wide"}).json()

        assert self.refused(rotate(acme, wide, acme.client_with("admin")))

    @pytest.mark.parametrize(
        "limit", [{"allowed_models": frozenset({"gpt-4"})}, {"allowed_cidrs": ("127.0.0.0/8",)}], ids=str
    )
    def test_a_limited_key_does_not_rotate_one_without_the_limit(self, acme, made, limit):
        limited = ApiClient(headers=bearer(acme.key_of(acme.owner, **limit)))

        assert self.refused(rotate(acme, made, limited))

    def test_a_key_whose_maker_has_left_is_not_rotated(self, acme):
        jo = acme.person("admin", "jo@acme.example")
        made = ApiClient(headers=bearer(acme.key_of(jo))).post(f"{acme.path}/api-keys", {"name": "jos"}).json()
        Membership.objects.for_tenant(acme.id).filter(user=jo).delete()

        assert rotate(acme, made).json()["code"] == "conflict"

    def test_rights_follow_the_makers_role_after_a_rotation_too(self, acme):
        jo = acme.person("admin", "jo@acme.example")
        made = ApiClient(headers=bearer(acme.key_of(jo))).post(f"{acme.path}/api-keys", {"name": "jos"}).json()
        key = rotate(acme, made).json()["key"]
        change_role(Membership.objects.for_tenant(acme.id).get(user=jo), role="viewer", by=SYSTEM)

        (membership,) = ApiClient(headers=bearer(key)).get("/api/v1/me").json()["memberships"]
        assert membership["role"] == "viewer"


def test_an_expired_key_is_not_rotated(acme):
    soon = (timezone.now() + timedelta(hours=1)).isoformat()
    made = acme.client.post(f"{acme.path}/api-keys", {"name": "ci", "expires_at": soon}).json()

    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        answer = rotate(acme, made)

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


def test_a_revoked_or_foreign_key_is_not_found(acme, globex, made):
    acme.client.delete(f"{acme.path}/api-keys/{made['id']}")

    assert rotate(acme, made).status_code == 404
    assert rotate(acme, {"id": globex.api_key.id}).status_code == 404


def test_it_takes_the_right_to_manage_keys(acme, made):
    assert rotate(acme, made, acme.client_with("creds:write")).status_code == 403


def test_a_person_rotates_a_key(acme, made):
    browser = ApiClient()
    browser.force_login(acme.owner)

    assert rotate(acme, made, browser).status_code == 200
