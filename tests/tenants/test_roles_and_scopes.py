"""Who may do what: the table of roles and scopes, walked through the public door."""

import pytest

from tenants.permissions import ROLE_SCOPES, SCOPES
from tests.factories import ApiClient, bearer, make_user

pytestmark = pytest.mark.django_db

MAY = {
    "viewer": {"models:read", "providers:read", "usage:read"},
    "member": {
        "models:read",
        "providers:read",
        "usage:read",
        "infer",
        "jobs:read",
        "jobs:write",
        "models:write",
        "providers:write",
    },
    "admin": set(SCOPES),
    "owner": set(SCOPES),
}


@pytest.mark.parametrize("role", MAY)
def test_a_role_holds_exactly_these_scopes(role):
    assert ROLE_SCOPES[role] == MAY[role]


@pytest.mark.parametrize("role", MAY)
def test_me_shows_what_a_person_may_do(acme, role):
    person = acme.person(role, "jo@acme.example")
    client = ApiClient()
    client.force_login(person)

    (membership,) = client.get("/api/v1/me").json()["memberships"]

    assert membership["role"] == role
    assert membership["permissions"] == [scope for scope in SCOPES if scope in MAY[role]]


@pytest.mark.parametrize("role", MAY)
def test_a_key_with_every_scope_holds_no_more_than_its_creators_role(acme, role):
    client = ApiClient(headers=bearer(acme.key_of(acme.person(role, "jo@acme.example"))))

    (membership,) = client.get("/api/v1/me").json()["memberships"]

    assert set(membership["permissions"]) == MAY[role]


CALLS = [
    ("GET", "", None),
    ("PATCH", "", "admin"),
    ("GET", "/members", "admin"),
    ("POST", "/members", "admin"),
    ("GET", "/members/0", "admin"),
    ("PATCH", "/members/0", "admin"),
    ("DELETE", "/members/0", "admin"),
    ("GET", "/api-keys", "admin"),
    ("POST", "/api-keys", "admin"),
    ("GET", "/api-keys/0", "admin"),
    ("PATCH", "/api-keys/0", "admin"),
    ("DELETE", "/api-keys/0", "admin"),
    ("GET", "/audit-events", "audit:read"),
]


@pytest.mark.parametrize(("method", "path", "scope"), CALLS, ids=lambda value: str(value))
def test_a_call_needs_its_scope_and_says_which(acme, method, path, scope):
    everything_else = acme.client_with(*(one for one in SCOPES if one != scope))
    without = everything_else.generic(method, acme.path + path, "{}")
    only_that = acme.client_with(*([scope] if scope else ["infer"])).generic(method, acme.path + path, "{}")

    assert only_that.status_code in (200, 400, 404)
    if scope:
        assert (without.status_code, without.json()["code"]) == (403, "insufficient_scope")
        assert f"`{scope}`" in without.json()["hint"]


def test_a_scope_is_asked_before_the_body_is_read(acme):
    answer = acme.client_with("infer").generic("POST", f"{acme.path}/members", "{not json")

    assert answer.status_code == 403


def test_a_person_of_two_tenants_sees_both(acme, globex):
    jo = acme.person("viewer", "jo@acme.example")
    from tenants.actors import SYSTEM
    from tenants.members import add_member

    add_member(globex.id, jo, role="admin", by=SYSTEM)
    client = ApiClient()
    client.force_login(jo)

    seen = {entry["tenant"]["slug"]: entry["role"] for entry in client.get("/api/v1/me").json()["memberships"]}

    assert seen == {"acme": "viewer", "globex": "admin"}


def test_staff_have_no_right_in_any_tenant(acme):
    client = ApiClient()
    client.force_login(make_user("staff@modelyard.example", is_staff=True, is_superuser=True))

    assert client.get("/api/v1/me").json()["memberships"] == []
    assert client.get(acme.path).status_code == 404
