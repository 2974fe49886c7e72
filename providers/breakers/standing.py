"""What tenants and operators see of a rest: the provider's state and the model's health, with the reason."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.utils import timezone

from providers.locks import provider_locked
from providers.models import ModelEntry, Provider
from providers.validation.states import STATE_OF_CODE

State = Provider.State

# From these, what calls show may move a provider; the others wait for a validation or for somebody's hand.
_MOVABLE: Final = (State.UNVERIFIED, State.HEALTHY, State.DEGRADED, State.LOADING)
_MOVED: Final = (State.DEGRADED, State.UNREACHABLE)


def provider_rests(tenant_id: UUID, provider_id: UUID, code: str) -> None:
    with provider_locked(tenant_id, provider_id) as provider:
        if provider is not None and provider.state in _MOVABLE:
            _move(provider, STATE_OF_CODE.get(code, State.DEGRADED), code)


def provider_answers(tenant_id: UUID, provider_id: UUID, code: str) -> None:
    """It answers again after it rested for `code`. What something else has found meanwhile stays."""
    with provider_locked(tenant_id, provider_id) as provider:
        if provider is not None and provider.state in _MOVED and provider.state_reason == code:
            _settle(provider)


def model_rests(tenant_id: UUID, provider_id: UUID, entry_id: UUID, code: str) -> None:
    with provider_locked(tenant_id, provider_id) as provider:
        entry = _entries(tenant_id).filter(id=entry_id).first()
        if provider is None or entry is None:
            return
        _note(entry, state="failing", code=code)
        if provider.state == State.HEALTHY:
            _move(provider, State.DEGRADED, code)


def model_answers(tenant_id: UUID, provider_id: UUID, entry_id: UUID, code: str) -> None:
    with provider_locked(tenant_id, provider_id) as provider:
        entry = _entries(tenant_id).filter(id=entry_id).first()
        if provider is None or entry is None or entry.health.get("code") != code:
            return
        _note(entry, state="healthy", code=None)
        if provider.state == State.DEGRADED and provider.state_reason == code:
            _settle(provider)


def _settle(provider: Provider) -> None:
    failing = _entries(provider.tenant_id).filter(provider_id=provider.id, health__state="failing").first()
    if failing is None:
        _move(provider, State.HEALTHY, None)
    else:
        _move(provider, State.DEGRADED, failing.health["code"])


def _move(provider: Provider, state: str, code: str | None) -> None:
    provider.state, provider.state_reason, provider.state_since = state, code, timezone.now()
    provider.save(update_fields=["state", "state_reason", "state_since"])


def _note(entry: ModelEntry, **found: Any) -> None:
    entry.health = {**entry.health, **found, "checked_at": timezone.now().isoformat()}
    entry.save(update_fields=["health"])


def _entries(tenant_id: UUID) -> Any:
    return ModelEntry.objects.for_tenant(tenant_id)
