from django.db import models

from tenants.scope import TenantScoped


class UsageRecord(TenantScoped):
    """One call, in either plane: what it used and how it ended.

    Ids are kept without foreign keys: facts outlive rows.
    """

    api_key_id = models.UUIDField(null=True)
    provider_id = models.UUIDField(null=True)
    model_entry_id = models.UUIDField(null=True)
    job_id = models.UUIDField(null=True)
    model_name = models.CharField(max_length=255)
    operation = models.CharField(max_length=32)
    prompt_tokens = models.PositiveIntegerField(null=True)
    completion_tokens = models.PositiveIntegerField(null=True)
    is_estimated = models.BooleanField(default=False)
    first_token_ms = models.PositiveIntegerField(null=True)
    total_ms = models.PositiveIntegerField(default=0)
    outcome = models.CharField(max_length=64)  # succeeded | cancelled | an error code
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(TenantScoped.Meta):
        indexes = [models.Index(fields=["tenant", "created_at"], name="usage_by_time")]

    def __str__(self) -> str:
        return f"{self.operation} {str(self.id)[-12:]}"
