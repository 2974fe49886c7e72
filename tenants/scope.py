"""The only door to rows that a tenant owns: `Model.objects.for_tenant(tenant)`.

`Model.unscoped` is the way around it for code that has no tenant yet (authentication, sweeps, the operators'
admin). A guard test holds the short list of modules that may say that word.
"""

from __future__ import annotations

import uuid
from typing import Any, ClassVar, Self

from django.db import models

from tenants.ids import new_id


class TenantRequired(Exception):
    """A tenant-owned row was asked for without saying whose."""


class TenantDoor(models.Manager[Any]):
    def get_queryset(self) -> models.QuerySet[Any]:
        raise TenantRequired(f"{self.model.__name__}.objects needs .for_tenant(tenant)")

    def for_tenant(self, tenant: models.Model | uuid.UUID) -> models.QuerySet[Any]:
        tenant_id = tenant if isinstance(tenant, uuid.UUID) else tenant.pk
        return models.QuerySet(self.model, using=self._db).filter(tenant_id=tenant_id)


class TenantScoped(models.Model):
    """A row owned by one tenant. Composite foreign keys point at `(tenant, id)`: see `tenants.walls`."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey("tenants.Tenant", on_delete=models.CASCADE, related_name="+")

    unscoped: ClassVar[models.Manager[Self]] = models.Manager()
    objects: ClassVar[TenantDoor] = TenantDoor()

    class Meta:
        abstract = True
        default_manager_name = "unscoped"
        base_manager_name = "unscoped"
