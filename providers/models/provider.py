from django.db import models

from tenants.scope import TenantScoped


class Provider(TenantScoped):
    """A tenant's model server: where it is, how to reach it, what is known of its state."""

    class State(models.TextChoices):
        UNVERIFIED = "unverified"
        VALIDATING = "validating"
        HEALTHY = "healthy"
        DEGRADED = "degraded"
        LOADING = "loading"
        AUTH_FAILED = "auth_failed"
        UNREACHABLE = "unreachable"
        UNDECRYPTABLE = "undecryptable"

    kind = models.CharField(max_length=32)
    name = models.CharField(max_length=100)
    base_url = models.CharField(max_length=2048)
    enabled = models.BooleanField(default=True)
    state = models.CharField(max_length=16, choices=State, default=State.UNVERIFIED)
    state_reason = models.CharField(max_length=64, null=True, blank=True)  # a code of docs/diagnosis.md
    state_since = models.DateTimeField(auto_now_add=True)
    settings = models.JSONField(default=dict)
    server = models.JSONField(default=dict)  # {"product", "version"} once identified
    version = models.PositiveIntegerField(default=1, help_text="Moved by clients' edits only; the ETag.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta(TenantScoped.Meta):
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="provider_name_taken"),
            models.UniqueConstraint(fields=["tenant", "id"], name="provider_of_tenant"),
        ]

    def __str__(self) -> str:
        return self.name
