from importlib import import_module

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ProvidersConfig(AppConfig):
    name = "providers"
    verbose_name = "Model serving"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from providers.invalidation import invalidate, register
        from providers.jobs import finality
        from tenants import changes
        from tenants.sealing import data_keys

        import_module("providers.sealed_columns")
        import_module("providers.tenant_deletion")
        changes.subscribe(invalidate)  # a revoked key, a changed role, a suspended or deleted tenant
        register(data_keys.cache)
        post_migrate.connect(finality.see_to_it, sender=self)
