from django.conf import settings
from django.db import models

from tenants.rate_limits import RateLimited
from tenants.scope import TenantScoped


class ApiKey(RateLimited, TenantScoped):
    """A bearer key of one tenant. The key itself is shown once; the row holds an HMAC of it."""

    name = models.CharField(max_length=100)
    key_id = models.CharField(max_length=16, unique=True, help_text="The public part: myd_live_<key_id>_…")
    digest = models.CharField(max_length=64)
    pepper_id = models.CharField(max_length=32)
    last4 = models.CharField(max_length=4)
    former_digest = models.CharField(max_length=64, null=True, editable=False)
    former_pepper_id = models.CharField(max_length=32, null=True, editable=False)
    former_until = models.DateTimeField(
        null=True, blank=True, help_text="Until then the secret before the last rotation works too."
    )
    scopes = models.JSONField(default=list)
    allowed_models = models.JSONField(null=True, blank=True)
    allowed_cidrs = models.JSONField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    acts_as_owner = models.BooleanField(
        default=False, help_text="Made by the operator: rights do not follow a person's role."
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta(TenantScoped.Meta):
        verbose_name = "API key"
        constraints = [models.UniqueConstraint(fields=["tenant", "id"], name="api_key_of_tenant")]

    def __str__(self) -> str:
        return self.name
