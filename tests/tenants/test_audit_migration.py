"""A database that the release before has filled comes into the chain as it is migrated."""

import io

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from tenants.actors import SYSTEM
from tenants.models import AuditEvent, AuditHead, Tenant
from tenants.registration import change_tenant

BEFORE = ("tenants", "0004_key_rotation_overlap")


def migrate(*targets):
    executor = MigrationExecutor(connection)
    executor.migrate(list(targets) or executor.loader.graph.leaf_nodes())
    return executor.loader.project_state(list(targets) or executor.loader.graph.leaf_nodes()).apps


@pytest.fixture
def former(transactional_db):
    """The models of the release before, on its tables."""
    try:
        yield migrate(BEFORE)
    finally:
        call_command("migrate", verbosity=0)  # with what is seen to after it: other tests use this database too


def fill(apps, slug, number):
    tenant = apps.get_model("tenants", "Tenant").objects.create(slug=slug, name=slug)
    model = apps.get_model("tenants", "AuditEvent")
    for place in range(number):
        model(tenant=tenant, actor_kind="system", action=f"x.{place}", object_type="x", detail={"n": place}).save()


def test_events_of_the_release_before_form_a_chain_in_their_order(former):
    fill(former, "acme", 1201)
    fill(former, "globex", 2)
    fill(former, "silent", 0)

    migrate()

    said = io.StringIO()
    call_command("verify_audit", stdout=said)
    acme = Tenant.objects.get(slug="acme")
    assert [line.split(" Head")[0] for line in said.getvalue().splitlines()] == [
        "acme: 1201 events, whole.",
        "globex: 2 events, whole.",
        "silent: 0 events, whole.",
    ]
    actions = AuditEvent.objects.for_tenant(acme).order_by("seq").values_list("action", flat=True)
    assert list(actions) == [f"x.{place}" for place in range(1201)]


def test_the_chain_goes_on_after_the_migration(former):
    fill(former, "acme", 3)
    migrate()

    change_tenant(Tenant.objects.get(slug="acme"), by=SYSTEM, changes={"name": "Acme & Sons"})

    call_command("verify_audit", stdout=io.StringIO())
    assert AuditHead.objects.for_tenant(Tenant.objects.get(slug="acme")).get().seq == 4


def test_a_migration_that_is_repeated_changes_nothing(former):
    fill(former, "acme", 3)
    migrate()
    hashes = list(AuditEvent.objects.for_tenant(Tenant.objects.get(slug="acme")).values_list("seq", "hash"))
    migrate(("tenants", "0005_audit_chain"))
    migrate()

    assert hashes == list(AuditEvent.objects.for_tenant(Tenant.objects.get(slug="acme")).values_list("seq", "hash"))
