from django.db import models

from tenants.scope import TenantScoped
from tenants.walls import SameTenant


class Discovery(TenantScoped):
    """One listing of a server's models, with what changed since the one before."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"

    provider = models.ForeignKey("providers.Provider", on_delete=models.CASCADE, related_name="discoveries")
    state = models.CharField(max_length=16, choices=State, default=State.QUEUED)
    found = models.JSONField(default=list)  # [{"upstream_name", "type", "capabilities", …}]
    diff = models.JSONField(default=dict)  # {"added": [...], "removed": [...], "changed": [...]}
    error = models.JSONField(null=True)
    lease_token = models.PositiveBigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta(TenantScoped.Meta):
        constraints = [
            SameTenant(column="provider_id", target="providers_provider", name="discovery_provider_wall"),
        ]
        indexes = [models.Index(fields=["provider", "-id"], name="discovery_history")]
