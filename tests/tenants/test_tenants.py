"""Tenants are founded, renamed and deleted by the people who may."""

import pytest

from tenants import deletion
from tenants.models import ApiKey, AuditEvent, Membership, Tenant
from tests.factories import ApiClient, make_user

pytestmark = pytest.mark.django_db


def person(user):
    client = ApiClient()
    client.force_login(user)
    return client


@pytest.fixture
def staff(db):
    return person(make_user("staff@modelyard.example", is_staff=True))


def test_staff_found_a_tenant_and_own_it(staff):
    answer = staff.post("/api/v1/tenants", {"slug": "acme", "name": "Acme Ltd"})

    assert answer.status_code == 201
    assert answer.headers["Location"] == "http://testserver/api/v1/tenants/acme"
    assert (answer.json()["slug"], answer.json()["name"], answer.json()["role"]) == ("acme", "Acme Ltd", "owner")
    assert staff.get("/api/v1/tenants/acme").json() == answer.json()


def test_the_name_left_out_is_the_slug(staff):
    assert staff.post("/api/v1/tenants", {"slug": "acme"}).json()["name"] == "acme"


def test_others_found_none_by_default(acme):
    answer = person(acme.owner).post("/api/v1/tenants", {"slug": "initech"})

    assert (answer.status_code, answer.json()["code"]) == (403, "staff_required")


def test_anyone_who_is_logged_in_may_where_the_operator_says_so(acme, settings):
    settings.TENANT_CREATION = "anyone"

    assert person(acme.owner).post("/api/v1/tenants", {"slug": "initech"}).status_code == 201
    assert person(acme.owner).get("/api/v1/me").json()["can_create_tenants"] is True


def test_a_key_never_founds_a_tenant(acme, settings):
    settings.TENANT_CREATION = "anyone"

    answer = acme.client.post("/api/v1/tenants", {"slug": "initech"})

    assert (answer.status_code, answer.json()["code"]) == (403, "person_required")


def test_a_taken_slug_is_refused(staff, acme):
    answer = staff.post("/api/v1/tenants", {"slug": "acme"})

    assert (answer.status_code, answer.json()["code"]) == (409, "slug_taken")


@pytest.mark.parametrize("slug", ["", "Acme", "-a", "a-", "a b", "a/b", "ä", "a" * 64, "a\n", 5, None])
def test_a_slug_that_is_none_is_refused(staff, slug):
    answer = staff.post("/api/v1/tenants", {"slug": slug})

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "slug"
    assert not Tenant.objects.exists()


def test_an_admin_renames_the_tenant(acme):
    answer = acme.client.patch(acme.path, {"name": "Acme & Sons"}, content_type="application/json")

    assert answer.json()["name"] == "Acme & Sons"
    assert AuditEvent.objects.for_tenant(acme.id).filter(action="tenant.changed").get().detail == {"fields": ["name"]}


@pytest.mark.parametrize("field", ["slug", "state", "id", "version", "role", "created_at"])
def test_nothing_else_about_it_can_be_set(acme, field):
    answer = acme.client.patch(acme.path, {field: "suspended"}, content_type="application/json")

    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_field")


class TestDeletion:
    def test_by_the_owner_takes_everything_along(self, acme, globex):
        answer = person(acme.owner).delete(acme.path)

        assert answer.status_code == 204
        assert not Tenant.objects.filter(slug="acme").exists()
        assert not Membership.unscoped.filter(tenant_id=acme.id).exists()
        assert not ApiKey.unscoped.filter(tenant_id=acme.id).exists()
        assert acme.client.get("/api/v1/me").status_code == 401
        assert globex.client.get(globex.path).status_code == 200

    def test_by_a_key_is_refused(self, acme):
        answer = acme.client.delete(acme.path)

        assert (answer.status_code, answer.json()["code"]) == (403, "person_required")

    @pytest.mark.parametrize("role", ["viewer", "member", "admin"])
    def test_by_anybody_else_is_refused(self, acme, role):
        answer = person(acme.person(role)).delete(acme.path)

        assert (answer.status_code, answer.json()["code"]) == (403, "owner_required")

    def test_can_be_rehearsed(self, acme):
        answer = person(acme.owner).delete(f"{acme.path}?dry_run=true")

        assert answer.status_code == 200
        assert answer.json()["impact"]["members"] == 1
        assert answer.json()["impact"]["api_keys"] == 1
        assert Tenant.objects.filter(slug="acme").exists()

    def test_waits_for_cascade_while_something_depends_on_it(self, acme, monkeypatch):
        erased = []
        step = deletion.Step("widgets", lambda id: ["a widget"], lambda id, by: erased.append((id, by.label)))
        monkeypatch.setitem(deletion._steps, "widgets", step)
        owner = person(acme.owner)

        refused = owner.delete(acme.path)
        done = owner.delete(f"{acme.path}?cascade=true")

        assert (refused.status_code, refused.json()["code"]) == (409, "in_use")
        assert refused.json()["impact"]["widgets"] == ["a widget"]
        assert done.status_code == 204
        assert erased == [(acme.id, "owner@acme.example")]

    @pytest.mark.parametrize("flag", ["dry_run=maybe", "cascade=2"])
    def test_a_flag_that_is_neither_true_nor_false_deletes_nothing(self, acme, flag):
        answer = person(acme.owner).delete(f"{acme.path}?{flag}")

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_parameter")
        assert Tenant.objects.filter(slug="acme").exists()
