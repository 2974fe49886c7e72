from django.db import models

from tenants.scope import TenantScoped
from tenants.walls import SameTenant


class ModelType(models.TextChoices):
    LLM = "llm"
    TEXT_EMBEDDING = "text-embedding"
    RERANK = "rerank"
    SPEECH2TEXT = "speech2text"
    TTS = "tts"
    IMAGE = "image"
    MODERATION = "moderation"


class ModelEntry(TenantScoped):
    """What callers name as `model`: which provider serves it, and under which name there."""

    name = models.CharField(max_length=255)
    type = models.CharField(max_length=16, choices=ModelType)
    provider = models.ForeignKey("providers.Provider", on_delete=models.CASCADE, related_name="model_entries")
    upstream_name = models.CharField(max_length=255)
    enabled = models.BooleanField(default=True)
    mode = models.CharField(max_length=16, null=True, blank=True)  # chat | completion, for llm
    context_size = models.PositiveIntegerField(null=True, blank=True)
    max_output_tokens = models.PositiveIntegerField(null=True, blank=True)
    dimensions = models.PositiveIntegerField(null=True, blank=True)
    features = models.JSONField(default=list)
    parameters = models.JSONField(default=dict)
    settings = models.JSONField(default=dict)  # deadlines of its own, named as the provider's
    pricing = models.JSONField(null=True, blank=True)
    capability_source = models.JSONField(default=dict)  # {"type": "probed" | "declared", …}
    health = models.JSONField(default=dict)  # {"state", "p50_ms", "checked_at"}
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta(TenantScoped.Meta):
        verbose_name_plural = "model entries"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="model_name_taken"),
            models.UniqueConstraint(fields=["tenant", "id"], name="model_entry_of_tenant"),
            SameTenant(column="provider_id", target="providers_provider", name="model_provider_wall"),
        ]

    def __str__(self) -> str:
        return self.name
