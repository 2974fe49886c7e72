"""What a provider's page says above its form: how it is, why, since when, and what to do about it."""

from __future__ import annotations

from typing import Any

from providers.admin import states
from providers.admin.steps import steps_of
from providers.credentials import current_credential
from providers.models import ModelEntry, Provider
from providers.validation.runs import latest_run
from tenants.codes import CATALOGUE


def facts_of(provider: Provider) -> dict[str, Any]:
    run = latest_run(provider)
    entries = ModelEntry.objects.for_tenant(provider.tenant_id).filter(provider_id=provider.id)
    return {
        "provider": provider,
        "colour": states.PROVIDER.get(provider.state, ""),
        "reason": CATALOGUE.get(provider.state_reason or ""),
        "server": " ".join(str(provider.server[part]) for part in ("product", "version") if provider.server.get(part)),
        "credential": current_credential(provider),
        "models_total": entries.count(),
        "models_enabled": entries.filter(enabled=True).count(),
        "run": run,
        "run_colour": states.RUN.get(run.state, "") if run else "",
        "steps": steps_of(run) if run else [],
    }
