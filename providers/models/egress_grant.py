from django.db import models

from tenants.ids import new_id


class EgressGrant(models.Model):
    """An operator's word that a private address may be dialled, by one tenant or (tenant null) by all."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey("tenants.Tenant", null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    cidr = models.CharField(max_length=64, help_text="An address or range, such as 192.168.1.100/32.")
    port_from = models.PositiveIntegerField(default=1)
    port_to = models.PositiveIntegerField(default=65535)
    max_concurrency = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Requests in flight that the box behind this address can take; empty: no figure.",
    )
    reason = models.CharField(max_length=200, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=254, blank=True)

    def __str__(self) -> str:
        return self.cidr
