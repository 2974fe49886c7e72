from django.db import models

from tenants.scope import TenantScoped


class UsageHour(TenantScoped):
    """The sums of a tenant's `UsageRecord`s of one hour that has ended, for each model, provider, key and operation."""

    hour = models.DateTimeField()
    model_name = models.CharField(max_length=255)
    operation = models.CharField(max_length=32)
    provider_id = models.UUIDField(null=True)
    api_key_id = models.UUIDField(null=True)
    calls = models.BigIntegerField()
    succeeded = models.BigIntegerField()
    cancelled = models.BigIntegerField()
    prompt_tokens = models.BigIntegerField()
    completion_tokens = models.BigIntegerField()
    estimated_calls = models.BigIntegerField()
    timed = models.BigIntegerField()  # calls that showed a first token
    first_token_ms = models.BigIntegerField()
    first_token_ms_max = models.BigIntegerField()
    total_ms = models.BigIntegerField()
    total_ms_max = models.BigIntegerField()

    class Meta(TenantScoped.Meta):
        indexes = [models.Index(fields=["tenant", "hour"], name="usage_by_hour")]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H} {self.model_name}"
