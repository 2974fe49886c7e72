"""Members come, change and go; a tenant keeps an owner, and admins leave owners alone."""

import pytest

from tenants.models import AuditEvent, Membership
from tests.factories import ApiClient, make_team, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(acme):
    """The owner, as a person."""
    client = ApiClient()
    client.force_login(acme.owner)
    return client


def membership(acme, user):
    return f"{acme.path}/members/{Membership.objects.for_tenant(acme.id).get(user=user).id}"


def test_somebody_with_an_account_is_added(acme):
    make_user("jo@acme.example")

    answer = acme.client.post(f"{acme.path}/members", {"email": "Jo@Acme.Example", "role": "admin"})

    assert answer.status_code == 201
    assert answer.json()["user"]["email"] == "jo@acme.example"
    assert acme.client.get(answer.headers["Location"]).json()["role"] == "admin"


def test_the_role_left_out_is_member(acme):
    make_user("jo@acme.example")

    assert acme.client.post(f"{acme.path}/members", {"email": "jo@acme.example"}).json()["role"] == "member"


def test_somebody_without_an_account_is_named_in_the_refusal(acme):
    answer = acme.client.post(f"{acme.path}/members", {"email": "nobody@acme.example"})

    assert (answer.status_code, answer.json()["code"]) == (400, "person_unknown")
    assert answer.json()["errors"][0]["field"] == "email"


def test_nobody_is_a_member_twice(acme):
    acme.person("viewer", "jo@acme.example")

    answer = acme.client.post(f"{acme.path}/members", {"email": "jo@acme.example", "role": "admin"})

    assert (answer.status_code, answer.json()["code"]) == (409, "already_member")
    assert Membership.objects.for_tenant(acme.id).get(user__email="jo@acme.example").role == "viewer"


@pytest.mark.parametrize("email", ["", "jo", "jo@", "a" * 250 + "@acme.example", 5, None, ["jo@acme.example"]])
def test_what_is_no_address_is_refused(acme, email):
    answer = acme.client.post(f"{acme.path}/members", {"email": email})

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "email"


@pytest.mark.parametrize("role", ["", "Owner", "root", 1, None, True])
def test_what_is_no_role_is_refused(acme, role):
    make_user("jo@acme.example")

    answer = acme.client.post(f"{acme.path}/members", {"email": "jo@acme.example", "role": role})

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "role"


def test_a_changed_role_counts_at_once(acme):
    jo = acme.person("viewer", "jo@acme.example")
    client = ApiClient()
    client.force_login(jo)
    before = client.get(f"{acme.path}/members").status_code

    answer = acme.client.patch(membership(acme, jo), {"role": "admin"}, content_type="application/json")

    assert answer.json()["role"] == "admin"
    assert (before, client.get(f"{acme.path}/members").status_code) == (403, 200)


def test_a_removed_member_is_a_stranger(acme):
    jo = acme.person("admin", "jo@acme.example")
    client = ApiClient()
    client.force_login(jo)

    answer = acme.client.delete(membership(acme, jo))

    assert answer.status_code == 204
    assert client.get(acme.path).status_code == 404


class TestTheLastOwner:
    def test_is_not_removed(self, acme, boss):
        answer = boss.delete(membership(acme, acme.owner))

        assert (answer.status_code, answer.json()["code"]) == (409, "last_owner")

    def test_is_not_demoted(self, acme, boss):
        answer = boss.patch(membership(acme, acme.owner), {"role": "admin"}, content_type="application/json")

        assert (answer.status_code, answer.json()["code"]) == (409, "last_owner")
        assert Membership.objects.for_tenant(acme.id).get(user=acme.owner).role == "owner"

    def test_may_go_once_there_is_another(self, acme, boss):
        jo = acme.person("member", "jo@acme.example")
        boss.patch(membership(acme, jo), {"role": "owner"}, content_type="application/json")

        assert boss.delete(membership(acme, acme.owner)).status_code == 204
        assert list(Membership.objects.for_tenant(acme.id).values_list("user__email", "role")) == [
            ("jo@acme.example", "owner")
        ]


class TestAnAdmin:
    @pytest.fixture
    def admin(self, acme):
        client = ApiClient()
        client.force_login(acme.person("admin", "ada@acme.example"))
        return client

    def test_manages_everybody_else(self, acme, admin):
        jo = acme.person("viewer", "jo@acme.example")

        assert admin.patch(membership(acme, jo), {"role": "admin"}, content_type="application/json").status_code == 200
        assert admin.delete(membership(acme, jo)).status_code == 204

    def test_neither_demotes_nor_removes_an_owner(self, acme, admin):
        path = membership(acme, acme.owner)
        answers = [admin.patch(path, {"role": "viewer"}, content_type="application/json"), admin.delete(path)]

        assert [(one.status_code, one.json()["code"]) for one in answers] == [(403, "owner_required")] * 2

    def test_makes_no_owner(self, acme, admin):
        jo = acme.person("viewer", "jo@acme.example")
        make_user("kim@acme.example")
        answers = [
            admin.patch(membership(acme, jo), {"role": "owner"}, content_type="application/json"),
            admin.post(f"{acme.path}/members", {"email": "kim@acme.example", "role": "owner"}),
        ]

        assert [(one.status_code, one.json()["code"]) for one in answers] == [(403, "owner_required")] * 2


class TestAKeyThatActsAsOwner:
    def test_does_not_hand_the_tenant_over(self, acme):
        make_user("jo@acme.example")

        answer = acme.client.post(f"{acme.path}/members", {"email": "jo@acme.example", "role": "owner"})

        assert (answer.status_code, answer.json()["code"]) == (403, "person_required")

    def test_names_the_first_owner_of_a_tenant_that_has_none(self, db):
        initech = make_team("initech")
        Membership.objects.for_tenant(initech.id).delete()
        make_user("jo@initech.example")

        answer = initech.client.post(f"{initech.path}/members", {"email": "jo@initech.example", "role": "owner"})

        assert answer.status_code == 201


def test_each_change_is_in_the_audit_log_with_who_did_it(acme, boss):
    jo = acme.person("viewer", "jo@acme.example")
    path = membership(acme, jo)
    boss.patch(path, {"role": "member"}, content_type="application/json")
    boss.delete(path)

    newest = AuditEvent.objects.for_tenant(acme.id).order_by("-id")[:2]

    assert [(one.action, one.actor_label, one.object_label) for one in newest] == [
        ("member.removed", "owner@acme.example", "jo@acme.example"),
        ("member.role_changed", "owner@acme.example", "jo@acme.example"),
    ]
    assert newest[1].detail == {"from": "viewer", "to": "member"}


def test_a_refused_change_leaves_no_audit_event(acme, boss):
    before = AuditEvent.objects.for_tenant(acme.id).count()
    boss.delete(membership(acme, acme.owner))

    assert AuditEvent.objects.for_tenant(acme.id).count() == before
