"""`rotate_keys` puts new keys under everything that is sealed, and tells when nothing lies under an old one."""

from __future__ import annotations

import base64
import io

import pytest
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import models
from django.test.utils import isolate_apps

from providers.models import Job, SealedSecret, ValidationRun
from providers.sealed_fields import secret_place
from tenants.accounts import MFA_PURPOSE
from tenants.models import IdempotencyRecord, KeyRotation, TenantKey
from tenants.sealing import data_keys, fingerprint, open_platform_text, open_sealed, seal, seal_platform_text
from tenants.sealing.registry import SealedColumn, sealed_columns, sealed_texts, unregistered
from tenants.sealing.rotation import rotate_data_keys
from tests.providers.rows import add_provider

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "sk-acme-0123456789abcdef-c0de"
OLD = "old:" + base64.b64encode(bytes((n * 31 + 7) % 256 for n in range(32))).decode()
NEW = "new:" + base64.b64encode(bytes((n * 31 + 9) % 256 for n in range(32))).decode()


def no_wait(seconds: float) -> None:
    """Nobody else seals here."""


def silent(tally: object, what: str) -> None:
    """Nobody reads here."""


def rotate(tenant=None, report=silent):
    return rotate_data_keys(tenant, report=report, wait=no_wait)


def command(*arguments):
    """What it prints, line by line."""
    out = io.StringIO()
    call_command("rotate_keys", *arguments, stdout=out, stderr=io.StringIO())
    return [line.split() for line in out.getvalue().splitlines()]


def one_of_each(team):
    """A row in every sealed column, with the plaintext it holds."""
    provider = add_provider(team, "http://10.1.2.3:8080", secrets={"api_key": SECRET})
    job = Job(tenant_id=team.id, provider=provider, operation="embeddings", deadline_at="2030-01-01T00:00Z")
    run = ValidationRun(tenant_id=team.id, form={"base_url": "http://10.1.2.3:8080"})
    answer = IdempotencyRecord(tenant_id=team.id, actor_id=team.owner.id, route="x", key="y", body_digest="")
    for row in (job, run, answer):
        for column in sealed_columns.values():
            if column.model is type(row):
                setattr(row, column.field, seal(column.name.encode(), column.place(row)))
        row.save()
    texts = {column.name: column.name.encode() for column in sealed_columns.values()}
    return {**texts, "providers_sealedsecret.blob": SECRET.encode()}


def opened(column: SealedColumn, tenant_id):
    row = column.rows_of(tenant_id).get()
    return open_sealed(getattr(row, column.field), column.place(row))


def version_of(column: SealedColumn, tenant_id):
    return int.from_bytes(bytes(getattr(column.rows_of(tenant_id).get(), column.field))[4:8], "big")


class TestADataKey:
    def test_replaced_moves_every_sealed_column_and_loses_nothing(self, acme):
        texts = one_of_each(acme)
        before = {column.name: version_of(column, acme.id) for column in sealed_columns.values()}

        tally = rotate(acme.tenant)

        assert set(before.values()) == {1}
        assert {version_of(column, acme.id) for column in sealed_columns.values()} == {2}
        assert {name: opened(column, acme.id) for name, column in sealed_columns.items()} == texts
        assert (tally.moved, tally.unreadable) == (len(sealed_columns), 0)

    def test_of_one_tenant_leaves_the_others_alone(self, acme, globex):
        one_of_each(acme)
        one_of_each(globex)

        rotate(acme.tenant)

        assert {version_of(column, globex.id) for column in sealed_columns.values()} == {1}

    def test_replaced_for_all_takes_each_tenant_once_more_at_most(self, acme, globex):
        one_of_each(acme)
        one_of_each(globex)

        rotate()

        assert sorted(TenantKey.unscoped.values_list("version", flat=True)) == [1, 1, 2, 2]

    def test_keeps_equal_secrets_looking_equal(self, acme):
        one_of_each(acme)

        rotate(acme.tenant)

        assert SealedSecret.unscoped.get().fingerprint == fingerprint(acme.id, SECRET)

    def test_replaced_moves_no_time_that_clients_see(self, acme):
        one_of_each(acme)
        before = SealedSecret.unscoped.get().updated_at

        rotate(acme.tenant)

        assert SealedSecret.unscoped.get().updated_at == before

    def test_rotation_that_stopped_half_way_goes_on_under_the_same_key(self, acme, globex):
        for team in (acme, globex):
            one_of_each(team)

        class PulledOut(Exception):
            """The plug."""

        def pull_out(tally, what):
            if tally.moved == 2:
                raise PulledOut

        with pytest.raises(PulledOut):
            rotate(report=pull_out)
        rotate()

        assert sorted(TenantKey.unscoped.values_list("version", flat=True)) == [1, 1, 2, 2]
        assert {version_of(column, team.id) for column in sealed_columns.values() for team in (acme, globex)} == {2}
        assert KeyRotation.objects.get().finished_at is not None

    def test_a_rotation_that_has_ended_is_not_taken_up_again(self, acme):
        one_of_each(acme)

        rotate(acme.tenant)
        rotate(acme.tenant)

        assert {version_of(column, acme.id) for column in sealed_columns.values()} == {3}

    def test_what_others_write_under_the_former_key_is_moved_in_the_end(self, acme):
        one_of_each(acme)
        column = sealed_columns["providers_sealedsecret.blob"]

        def write_as_one_who_has_not_heard(seconds):
            row = column.rows_of(acme.id).get()
            data_keys.cache.put((acme.id, None), data_keys.opening_key(acme.id, 1), float("inf"))
            SealedSecret.unscoped.filter(pk=row.pk).update(blob=seal(b"sk-newer", secret_place(row)))
            data_keys.forget(acme.id)

        rotate_data_keys(acme.tenant, report=silent, wait=write_as_one_who_has_not_heard)

        assert (version_of(column, acme.id), opened(column, acme.id)) == (2, b"sk-newer")

    def test_a_row_that_does_not_open_is_left_counted_and_told(self, acme):
        one_of_each(acme)
        broken = bytes(SealedSecret.unscoped.get().blob)[:-1] + b"\x00"
        SealedSecret.unscoped.update(blob=broken)

        tally = rotate(acme.tenant)

        assert tally.unreadable == 1
        assert bytes(SealedSecret.unscoped.get().blob) == broken
        with pytest.raises(CommandError, match="1 do not lie under the newest key"):
            command("--dek", "--verify")

    def test_that_was_never_made_is_not_made(self, acme):
        assert rotate(acme.tenant).tenants == 0
        assert not TenantKey.unscoped.exists()


class TestCounting:
    def test_tells_each_version_by_column(self, acme):
        one_of_each(acme)
        rotate(acme.tenant)

        lines = command("--dek", "--verify", "--tenant", "acme")

        assert ["1", "version", "2", "providers_job.input"] in lines
        assert len(lines) == len(sealed_columns)

    def test_fails_while_something_lies_under_a_former_key(self, acme):
        one_of_each(acme)
        data_keys.add_version(acme.id)

        with pytest.raises(CommandError, match=f"{len(sealed_columns)} do not lie under the newest key"):
            command("--dek", "--verify")

    def test_changes_nothing(self, acme):
        one_of_each(acme)

        command("--dek", "--verify")
        command("--kek", "--verify")

        assert TenantKey.unscoped.get().version == 1
        assert not KeyRotation.objects.exists()


class TestTheKeyring:
    @pytest.fixture(autouse=True)
    def old_ring(self, settings):
        settings.KEYRING = OLD

    def test_with_a_new_first_key_wraps_all_under_it_and_the_old_one_may_go(self, acme, globex, settings):
        texts = one_of_each(acme)
        one_of_each(globex)
        code = seal_platform_text("JBSWY3DP", MFA_PURPOSE)
        Authenticator.objects.create(user=acme.owner, type="totp", data={"secret": code, "nested": [code, "plain"]})
        settings.KEYRING = f"{NEW},{OLD}"

        lines = command("--kek")

        settings.KEYRING = NEW
        data_keys.forget(None)
        assert lines == [
            ["2", "new", "data", "keys"],
            ["2", "new", "mfa_authenticator.data"],
            ["2", "new", "tenants_audithead.key"],
        ]
        assert {name: opened(column, acme.id) for name, column in sealed_columns.items()} == texts
        kept = Authenticator.objects.get().data
        assert open_platform_text(kept["secret"], MFA_PURPOSE) == "JBSWY3DP"
        assert kept["nested"][1] == "plain"

    def test_leaves_the_blobs_themselves_alone(self, acme, settings):
        one_of_each(acme)
        before = bytes(SealedSecret.unscoped.get().blob)
        settings.KEYRING = f"{NEW},{OLD}"

        command("--kek")

        assert bytes(SealedSecret.unscoped.get().blob) == before

    def test_rewrapped_twice_changes_nothing_more(self, acme, settings):
        one_of_each(acme)
        settings.KEYRING = f"{NEW},{OLD}"
        command("--kek")
        before = bytes(TenantKey.unscoped.get().wrapped)

        command("--kek")

        assert bytes(TenantKey.unscoped.get().wrapped) == before

    def test_that_lacks_the_old_key_says_which_one(self, acme, settings):
        one_of_each(acme)
        settings.KEYRING = NEW

        with pytest.raises(CommandError, match="2 do not open with the key they name"):
            command("--kek")
        with pytest.raises(CommandError, match="2 do not lie under the newest key"):
            command("--kek", "--verify")

    def test_of_other_bytes_under_a_known_id_moves_nothing(self, acme, settings):
        one_of_each(acme)
        settings.KEYRING = f"{NEW},{OLD}"
        command("--kek")
        settings.KEYRING = f"new:{OLD.removeprefix('old:')}"

        with pytest.raises(CommandError, match="not the one that this database was sealed with"):
            command("--kek")


def test_an_unknown_tenant_is_named():
    with pytest.raises(CommandError, match="There is no tenant 'nobody'"):
        command("--dek", "--tenant", "nobody")


class TestTheRegistry:
    def test_knows_every_binary_column_there_is(self):
        assert unregistered(list(apps.get_models())) == []
        assert "tenants.E004" not in {found.id for found in run_checks(tags=["models"])}

    @isolate_apps("providers")
    def test_misses_one_that_nobody_registered(self):
        class Widget(models.Model):
            sealed = models.BinaryField()

            class Meta:
                app_label = "providers"

        assert unregistered([Widget]) == ["providers.Widget.sealed"]

    def test_opens_what_each_verb_has_sealed(self, acme):
        assert one_of_each(acme).keys() == sealed_columns.keys()
        assert set(sealed_texts) == {"mfa_authenticator.data", "tenants_audithead.key"}
