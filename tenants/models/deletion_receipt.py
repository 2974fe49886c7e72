from django.db import models

from tenants.ids import new_id


class DeletionReceipt(models.Model):
    """What was erased with a tenant, by whom, and which data keys are gone for good. Outlives the tenant."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant_id = models.UUIDField(db_index=True)
    slug = models.CharField(max_length=63, db_index=True)
    actor_kind = models.CharField(max_length=16)
    actor_id = models.UUIDField(null=True)
    actor_label = models.CharField(max_length=254)
    erased = models.JSONField(default=dict)  # how many of each kind
    data_keys = models.JSONField(default=list)  # [{"version", "kek_id", "fingerprint", "created_at"}]
    deleted_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.slug} {self.deleted_at:%Y-%m-%d}"
