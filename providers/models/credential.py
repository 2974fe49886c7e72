from django.db import models

from tenants.scope import TenantScoped
from tenants.walls import SameTenant


class Credential(TenantScoped):
    """A named set of secret fields of one provider; its values are `SealedSecret` rows."""

    class State(models.TextChoices):
        ACTIVE = "active"
        STAGED = "staged"
        GRACE = "grace"
        REVOKED = "revoked"
        UNDECRYPTABLE = "undecryptable"

    provider = models.ForeignKey("providers.Provider", on_delete=models.CASCADE, related_name="credentials")
    name = models.CharField(max_length=100, default="default")
    state = models.CharField(max_length=16, choices=State, default=State.ACTIVE)
    expires_at = models.DateTimeField(null=True, blank=True)
    grace_seconds = models.PositiveIntegerField(null=True)  # how long the one before is kept once this is promoted
    grace_until = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=64, null=True, blank=True)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta(TenantScoped.Meta):
        constraints = [
            models.UniqueConstraint(fields=["tenant", "id"], name="credential_of_tenant"),
            models.UniqueConstraint(fields=["provider", "name"], name="credential_name_taken"),
            models.UniqueConstraint(
                fields=["provider"], condition=models.Q(state="active"), name="credential_one_active"
            ),
            SameTenant(column="provider_id", target="providers_provider", name="credential_provider_wall"),
        ]

    def __str__(self) -> str:
        return self.name


class SealedSecret(TenantScoped):
    """One secret field, sealed. Additional data: tenant, table, credential id, field, key version, origin."""

    credential = models.ForeignKey("providers.Credential", on_delete=models.CASCADE, related_name="secrets")
    field = models.CharField(max_length=64)
    origin = models.CharField(max_length=300)  # scheme://host:port the secret was entered for
    blob = models.BinaryField()
    last4 = models.CharField(max_length=4, null=True)  # null where the secret is too short to show any of it
    fingerprint = models.CharField(max_length=16)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta(TenantScoped.Meta):
        constraints = [
            models.UniqueConstraint(fields=["credential", "field"], name="secret_field_once"),
            SameTenant(column="credential_id", target="providers_credential", name="secret_credential_wall"),
        ]
