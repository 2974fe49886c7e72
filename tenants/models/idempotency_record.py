from django.db import models

from tenants.ids import new_id


class IdempotencyRecord(models.Model):
    """One `Idempotency-Key` of one actor: the body it came with and the answer it got, kept for 24 hours.

    Not tenant-scoped by foreign key: `POST /api/v1/tenants` has no tenant yet. The actor is part of the key.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey("tenants.Tenant", null=True, on_delete=models.CASCADE, related_name="+")
    actor_id = models.UUIDField()
    route = models.CharField(max_length=300)
    key = models.CharField(max_length=255)
    body_digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)  # null while the first request is still running
    answer = models.BinaryField(null=True)  # sealed: status line's headers and body
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["actor_id", "route", "key"], name="idempotency_once")]
