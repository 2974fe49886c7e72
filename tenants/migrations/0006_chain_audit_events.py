"""Every tenant gets its head, and the events written before there were chains come into them in the order of their ids."""

from django.db import migrations, transaction

from tenants import audit_chain

AT_ONCE = 500


def chain(apps, schema_editor):
    events = apps.get_model("tenants", "AuditEvent").unscoped
    heads = apps.get_model("tenants", "AuditHead").unscoped
    for tenant_id in list(apps.get_model("tenants", "Tenant").objects.values_list("pk", flat=True)):
        _chain_tenant(events.filter(tenant_id=tenant_id), heads, tenant_id)


def _chain_tenant(events, heads, tenant_id):
    head = heads.filter(tenant_id=tenant_id).first()
    if head is None:
        head = heads.model(tenant_id=tenant_id)
        audit_chain.start(head)
        head.save(force_insert=True)
    while batch := list(events.filter(seq=None).order_by("id")[:AT_ONCE]):
        audit_chain.append(head, *batch)
        with transaction.atomic():
            events.bulk_update(batch, audit_chain.EVENT_FIELDS, batch_size=100)
            head.save(update_fields=audit_chain.HEAD_FIELDS)


class Migration(migrations.Migration):

    dependencies = [
        ("tenants", "0005_audit_chain"),
    ]

    operations = [
        migrations.RunPython(chain, migrations.RunPython.noop, elidable=False),
    ]
