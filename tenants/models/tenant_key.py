from django.db import models

from tenants.scope import TenantScoped


class TenantKey(TenantScoped):
    """A version of a tenant's data key, wrapped by a key of the keyring (`kek_id`)."""

    version = models.PositiveIntegerField()
    kek_id = models.CharField(max_length=32, db_index=True)
    wrapped = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(TenantScoped.Meta):
        constraints = [models.UniqueConstraint(fields=["tenant", "version"], name="tenant_key_version")]


class KeyringCanary(models.Model):
    """A known text sealed under each keyring key: start-up finds the right id with the wrong bytes."""

    kek_id = models.CharField(max_length=32, primary_key=True)
    sealed = models.BinaryField()
