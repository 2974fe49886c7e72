"""Operators get a second factor from a terminal on the server: the admin has no page for it."""

import io
import re
import sys

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from django.core import checks
from django.core.management import CommandError, call_command

from tenants.checks import staff_have_a_second_factor, staff_need_a_second_factor
from tests.authenticator import code_of
from tests.factories import make_user

pytestmark = pytest.mark.django_db

OPS = "ops@modelyard.example"


class Terminal(io.StringIO):
    """What was printed; and somebody who types in what their app shows, or something wrong."""

    def __init__(self, answers_right=True):
        super().__init__()
        self.answers_right = answers_right

    @property
    def secret(self):
        return re.search(r"type the key in: (\w+)", self.getvalue())[1]

    def readline(self, *_):
        return (code_of(self.secret) if self.answers_right else "000000") + "\n"


@pytest.fixture
def run(monkeypatch, clock):
    def command(*args, terminal=None, **options):
        terminal = terminal or Terminal()
        monkeypatch.setattr(sys, "stdin", terminal)
        call_command("second_factor", *args, stdout=terminal, **options)
        return terminal

    return command


@pytest.fixture
def clock():
    """Time stands still: a code is good for half a minute at most."""
    with time_machine.travel("2027-03-01T12:00:00Z", tick=False) as clock:
        yield clock


@pytest.fixture
def operator(db):
    return make_user(OPS, is_staff=True)


def test_an_operator_gets_an_app_and_recovery_codes(operator, run):
    terminal = run(OPS)

    assert "has a second factor" in terminal.getvalue()
    assert len(re.findall(r"^  \d+$", terminal.getvalue(), re.M)) == 10
    assert set(Authenticator.objects.values_list("type", flat=True)) == {"totp", "recovery_codes"}


def test_the_secret_is_stored_sealed(operator, run):
    terminal = run(OPS)

    assert terminal.secret not in str(Authenticator.objects.get(type="totp").data)


def test_a_wrong_code_changes_nothing(operator, run):
    with pytest.raises(CommandError, match="Nothing has changed"):
        run(OPS, terminal=Terminal(answers_right=False))

    assert not Authenticator.objects.exists()


def test_one_that_is_there_is_replaced_on_request_alone(operator, run):
    first = run(OPS)
    with pytest.raises(CommandError, match="--replace"):
        run(OPS)
    second = run(OPS, replace=True)

    assert first.secret != second.secret
    assert Authenticator.objects.filter(type="totp").count() == 1


def test_it_can_be_taken_away(operator, run):
    run(OPS)
    run(OPS, remove=True)

    assert not Authenticator.objects.exists()
    with pytest.raises(CommandError, match="has no second factor"):
        run(OPS, remove=True)


def test_an_unknown_address_is_told(db, run):
    with pytest.raises(CommandError, match="No account"):
        run("nobody@modelyard.example")


def test_the_list_tells_who_has_one(operator, run):
    make_user("junior@modelyard.example", is_staff=True)
    make_user("gone@modelyard.example", is_staff=True, is_active=False)
    make_user("person@acme.example")
    run(OPS)

    assert run().getvalue().splitlines() == ["no  junior@modelyard.example", f"yes {OPS}"]


def test_the_list_ends_badly_where_one_is_required_and_missing(operator, run, settings):
    settings.STAFF_MFA_REQUIRED = True

    with pytest.raises(CommandError, match="1 of the staff cannot use the admin"):
        run()


def test_the_check_of_the_database_names_who_is_shut_out(operator, run, settings):
    settings.STAFF_MFA_REQUIRED = True
    before = staff_have_a_second_factor(None, databases=["default"])
    run(OPS)

    assert [warning.msg for warning in before] == [f"{OPS} cannot use the admin without a second factor."]
    assert staff_have_a_second_factor(None, databases=["default"]) == []


def test_the_deploy_check_warns_where_a_password_is_enough(settings):
    settings.STAFF_MFA_REQUIRED = False
    lax = staff_need_a_second_factor(None)
    settings.STAFF_MFA_REQUIRED = True

    assert [warning.id for warning in lax] == ["tenants.W001"]
    assert staff_need_a_second_factor(None) == []
    assert staff_need_a_second_factor in checks.registry.registry.get_checks(include_deployment_checks=True)
