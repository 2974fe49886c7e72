"""The database itself keeps a row from pointing at another tenant's, on either engine."""

import pytest
from django.db import IntegrityError, connection, transaction

from providers.models import ModelEntry, Provider
from tenants.models import AuditEvent, Tenant
from tenants.scope import TenantRequired

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def tenants():
    return Tenant.objects.create(slug="acme", name="Acme"), Tenant.objects.create(slug="globex", name="Globex")


def provider_of(tenant):
    row = Provider(tenant=tenant, kind="localai", name="box", base_url="http://box:8080")
    row.save()
    return row


def entry(tenant, provider):
    return ModelEntry(tenant=tenant, provider=provider, name="m", type="llm", upstream_name="m")


def test_a_row_may_point_at_its_own_tenants_row(tenants):
    acme, _ = tenants
    entry(acme, provider_of(acme)).save()

    assert ModelEntry.objects.for_tenant(acme).count() == 1


def test_a_row_cannot_point_at_another_tenants_row(tenants):
    acme, globex = tenants
    theirs = provider_of(globex)

    with pytest.raises(IntegrityError):
        entry(acme, theirs).save()


def test_a_row_cannot_be_moved_to_another_tenant_while_others_point_at_it(tenants):
    acme, globex = tenants
    row = provider_of(acme)
    entry(acme, row).save()

    with pytest.raises(IntegrityError):
        Provider.unscoped.filter(pk=row.pk).update(tenant=globex)


def test_the_wall_is_checked_at_commit_so_that_rows_may_come_in_any_order(tenants):
    acme, _ = tenants
    row = Provider(tenant=acme, kind="localai", name="box", base_url="http://box:8080")
    with transaction.atomic():
        entry(acme, row).save()
        row.save(force_insert=True)

    assert ModelEntry.objects.for_tenant(acme).get().provider == row


def test_the_wall_outlives_a_remake_of_the_table(tenants):
    """SQLite rebuilds a table to change a column: a trigger would be gone by then."""
    acme, globex = tenants
    theirs = provider_of(globex)
    field = ModelEntry._meta.get_field("name")
    wider = field.clone()
    wider.set_attributes_from_name("name")
    wider.model = ModelEntry
    wider.max_length = 300
    with connection.schema_editor() as editor:
        editor.alter_field(ModelEntry, field, wider)
    try:
        with pytest.raises(IntegrityError):
            entry(acme, theirs).save()
    finally:
        with connection.schema_editor() as editor:
            editor.alter_field(ModelEntry, wider, field)


def test_a_tenants_rows_are_reached_by_naming_the_tenant_only(tenants):
    for careless in (AuditEvent.objects.all, AuditEvent.objects.count, AuditEvent.objects.first):
        with pytest.raises(TenantRequired, match="for_tenant"):
            careless()
