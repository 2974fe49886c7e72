from __future__ import annotations

from typing import Any, NoReturn

from django.db import models
from django.utils import timezone

from tenants.scope import TenantScoped


class AppendOnly(Exception):
    """Events are added and never changed; they go only with their whole tenant."""


class AuditEvent(TenantScoped):
    """Who did what to which object. Written in the transaction of the change; holds no secret value.

    `seq` counts a tenant's events from 1; `hash` covers the event and `prev_hash`, the hash of the one before (see
    `tenants.audit_chain`). Empty in an event that a process of an earlier release wrote: it stands outside the chain.
    """

    actor_kind = models.CharField(max_length=16)  # user | api_key | operator | system
    actor_id = models.UUIDField(null=True)
    actor_label = models.CharField(max_length=254)
    action = models.CharField(max_length=64)  # provider.created
    object_type = models.CharField(max_length=32)
    object_id = models.UUIDField(null=True)
    object_label = models.CharField(max_length=255)
    detail = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    seq = models.PositiveBigIntegerField(null=True)
    prev_hash = models.CharField(max_length=64, null=True)
    hash = models.CharField(max_length=64, null=True)

    class Meta(TenantScoped.Meta):
        indexes = [models.Index(fields=["tenant", "-id"], name="audit_by_tenant")]
        constraints = [models.UniqueConstraint(fields=["tenant", "seq"], name="audit_seq_of_tenant")]

    def __str__(self) -> str:
        return f"{self.action} {self.object_label}"

    def save(self, *args: Any, **options: Any) -> None:
        if not self._state.adding:
            raise AppendOnly("An audit event is not changed.")
        super().save(*args, **options)

    def delete(self, *args: Any, **options: Any) -> NoReturn:
        raise AppendOnly("An audit event is not deleted.")


class AuditHead(TenantScoped):
    """Where a tenant's chain of audit events ends. Whoever adds an event holds this row until the commit.

    `key` (sealed under the keyring) is what the hashes are made with, `mac` what binds this row's own values.
    """

    key = models.JSONField()
    seq = models.PositiveBigIntegerField(default=0)
    hash = models.CharField(max_length=64)
    mac = models.CharField(max_length=64)

    class Meta(TenantScoped.Meta):
        constraints = [models.UniqueConstraint(fields=["tenant"], name="audit_head_of_tenant")]
