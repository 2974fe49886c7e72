from django.db import models

from tenants.scope import TenantScoped
from tenants.walls import SameTenant


class ValidationRun(TenantScoped):
    """One staged check of an endpoint: claimed by a worker under a lease, its steps written as each ends."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        PASSED = "passed"
        FAILED = "failed"
        CANCELLED = "cancelled"

    class Level(models.TextChoices):
        CONNECT = "connect"
        AUTH = "auth"
        MODELS = "models"
        INFER = "infer"

    # null: the run checks a form that is not saved; `form` then holds it, its secrets sealed and wiped at the end
    provider = models.ForeignKey("providers.Provider", null=True, on_delete=models.CASCADE, related_name="validations")
    # null: the provider's own credential; else the staged one that is promoted if the run passes
    credential = models.ForeignKey("providers.Credential", null=True, on_delete=models.CASCADE, related_name="+")
    level = models.CharField(max_length=16, choices=Level, default=Level.MODELS)
    models_to_infer = models.JSONField(null=True)
    form = models.JSONField(null=True)
    form_secrets = models.BinaryField(null=True)
    state = models.CharField(max_length=16, choices=State, default=State.QUEUED)
    steps = models.JSONField(default=list)
    diagnosis = models.JSONField(null=True)
    server = models.JSONField(default=dict)
    attempt = models.PositiveIntegerField(default=0)
    lease_token = models.PositiveBigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta(TenantScoped.Meta):
        constraints = [
            models.UniqueConstraint(fields=["tenant", "id"], name="validation_of_tenant"),
            SameTenant(column="provider_id", target="providers_provider", name="validation_provider_wall"),
            SameTenant(column="credential_id", target="providers_credential", name="validation_credential_wall"),
        ]
        indexes = [
            models.Index(fields=["provider", "-id"], name="validation_history"),
            models.Index(
                fields=["lease_until"], condition=models.Q(state__in=["queued", "running"]), name="validation_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.level} {str(self.id)[-12:]}"
