from django.db import models

from providers.models.model_entry import ModelType
from tenants.scope import TenantScoped
from tenants.walls import SameTenant


class DefaultModel(TenantScoped):
    """The tenant's model for a type when a caller names none, or `default`."""

    type = models.CharField(max_length=16, choices=ModelType)
    model = models.ForeignKey("providers.ModelEntry", on_delete=models.CASCADE, related_name="+")

    class Meta(TenantScoped.Meta):
        constraints = [
            models.UniqueConstraint(fields=["tenant", "type"], name="default_model_once"),
            SameTenant(column="model_id", target="providers_modelentry", name="default_model_wall"),
        ]

    def __str__(self) -> str:
        return f"default {self.type}"
