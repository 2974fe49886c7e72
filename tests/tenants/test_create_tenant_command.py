"""`create_tenant` gives scripts a tenant and a key: one line of JSON, last on stdout."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tenants.models import ApiKey, Membership, Tenant, User
from tests.factories import ApiClient, bearer

pytestmark = pytest.mark.django_db


def create_tenant(*arguments):
    stdout, stderr = StringIO(), StringIO()
    call_command("create_tenant", *arguments, stdout=stdout, stderr=stderr)
    return json.loads(stdout.getvalue().splitlines()[-1]), stderr.getvalue()


def test_the_printed_key_opens_the_new_tenant():
    answer, _ = create_tenant("acme", "--name", "Acme Ltd")

    me = ApiClient(headers=bearer(answer["api_key"])).get("/api/v1/me").json()

    assert answer.keys() == {"tenant", "api_key"}
    assert me["memberships"][0]["tenant"]["slug"] == answer["tenant"] == "acme"
    assert me["memberships"][0]["role"] == "owner"
    assert len(me["memberships"][0]["permissions"]) == 11
    assert Tenant.objects.get().name == "Acme Ltd"


def test_the_key_does_not_expire_and_is_not_on_stderr():
    answer, stderr = create_tenant("acme")

    assert ApiKey.unscoped.get().expires_at is None
    assert answer["api_key"] not in stderr


def test_an_owner_without_an_account_gets_one_that_waits_for_a_password_reset():
    create_tenant("acme", "--owner", "Jo@Acme.Example")

    jo = User.objects.get(email="jo@acme.example")
    assert Membership.unscoped.get().user == jo
    assert Membership.unscoped.get().role == "owner"
    assert not jo.has_usable_password()


def test_an_owner_with_an_account_keeps_it():
    jo = User.objects.create_user("jo@acme.example", "a-password-of-hers")

    create_tenant("acme", "--owner", "JO@acme.example")

    assert Membership.unscoped.get().user == jo


@pytest.mark.parametrize("slug", ["Acme", "-acme", "acme-", "a b", "ä", "a" * 64, ""])
def test_a_slug_that_is_none_is_refused(slug):
    with pytest.raises(CommandError, match="hyphen"):
        call_command("create_tenant", "--name=x", "--", slug)


def test_a_taken_slug_is_refused_and_leaves_no_second_key():
    create_tenant("acme")

    with pytest.raises(CommandError, match="Another tenant has this slug"):
        create_tenant("acme")

    assert ApiKey.unscoped.count() == 1
