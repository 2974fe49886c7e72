"""From the name a caller says to a `Target`: which server, with which headers, deadlines and address policy.

Sealed credentials are opened here and nowhere else. Verbs that change what a target is made of call
`invalidation.invalidate(tenant_id)`, so that every process forgets it at once.
"""

from __future__ import annotations

import dataclasses
import hashlib
import ipaddress
import json
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from providers.credentials import note_unreadable
from providers.endpoints import capacity_of, endpoint_for
from providers.errors import ModelDisabled, SecretUnreadable, UnknownModel, WrongModelType
from providers.fresh_cache import FreshCache
from providers.invalidation import invalidate, register
from providers.kinds import KINDS
from providers.locks import provider_locked
from providers.models import Credential, DefaultModel, EgressGrant, ModelEntry, ModelType, Provider, ValidationRun
from providers.own_addresses import own_addresses
from providers.upstream import client
from providers.upstream.egress import AllowedRange, EgressPolicy, endpoint_of, origin_of, parse_allow
from providers.upstream.target import Target, Timeouts
from tenants.authentication import Caller
from tenants.in_db import in_db
from tenants.sealing import Context, Undecryptable, open_sealed

__all__ = [
    "DEFAULT_MODEL",
    "OPERATION_TYPES",
    "egress_policy",
    "form_target",
    "invalidate",
    "provider_target",
    "resolve",
    "target_for",
    "unsaved_target",
]

DEFAULT_MODEL: Final = "default"  # in place of a model's name: the tenant's default of the operation's type
SEALED_IN: Final = "providers_sealedsecret"  # the table in a secret's additional data

OPERATION_TYPES: Final[Mapping[str, ModelType]] = {
    "chat.completions": ModelType.LLM,
    "completions": ModelType.LLM,
    "embeddings": ModelType.TEXT_EMBEDDING,
    "rerank": ModelType.RERANK,
    "moderations": ModelType.MODERATION,
    "images.generations": ModelType.IMAGE,
    "audio.speech": ModelType.TTS,
    "audio.transcriptions": ModelType.SPEECH2TEXT,
    "audio.translations": ModelType.SPEECH2TEXT,
}


# --- Targets ---
def provider_target(provider: Provider, *, credential: Credential | None = None) -> Target:
    """Open a provider for dialling, with its active credential or the one given (a staged one under validation).

    Raises SecretUnreadable when a secret does not open, and notes it on the credential; else it only reads.
    """
    credential = credential or _active_credential(provider)
    try:
        secrets = _open_secrets(provider, credential)
    except SecretUnreadable as fault:
        assert credential is not None
        provider, secrets = _open_again(provider, credential, fault)
    return _opened(
        tenant_id=provider.tenant_id,
        provider_id=provider.pk,
        kind=provider.kind,
        base_url=provider.base_url,
        figures=provider.settings,
        secrets=secrets,
        endpoint=endpoint_for(provider),
    )


def form_target(form: Mapping[str, Any], secrets: Mapping[str, str], tenant_id: UUID) -> Target:
    """The target of a form that is not saved: `form` holds `kind`, a normalised `base_url` and maybe `settings`."""
    return _opened(
        tenant_id=tenant_id,
        provider_id=None,
        kind=form["kind"],
        base_url=form["base_url"],
        figures=form.get("settings") or {},
        secrets=secrets,
        endpoint=endpoint_of(form["base_url"], [], f"form-of-{tenant_id}"),
    )


def unsaved_target(run: ValidationRun, sealed_in: Context) -> Target:
    """The target of a run's form that is not saved; its secrets were sealed in the run at `sealed_in`.

    Raises SecretUnreadable when they do not open.
    """
    assert run.form is not None
    secrets: dict[str, str] = {}
    if run.form_secrets is not None:
        try:
            secrets = json.loads(open_sealed(run.form_secrets, sealed_in))
        except Undecryptable as fault:
            raise SecretUnreadable(message="The secrets typed into this form cannot be opened any more.") from fault
    return form_target(run.form, secrets, run.tenant_id)


def resolve(
    tenant_id: UUID, model_name: str | None, operation: str, allowed_models: frozenset[str] | None = None
) -> Target:
    """The target that serves `model_name` (None or "default": the tenant's default) for `operation`.

    Raises UnknownModel (also for a model that is not in `allowed_models`), ModelDisabled, WrongModelType or
    SecretUnreadable. Reads the database.
    """
    entry = _named_entry(tenant_id, model_name, operation)
    if allowed_models is not None and entry.name not in allowed_models:
        raise _unknown(entry.name)
    _refuse_unusable(entry, operation)
    opened = provider_target(entry.provider)
    return dataclasses.replace(
        opened,
        upstream_name=entry.upstream_name,
        model_name=entry.name,
        model_entry_id=entry.pk,
        tenant_weight=entry.tenant.weight,
        tenant_cap=entry.tenant.max_in_flight,
        parameters=dict(entry.parameters),
        timeouts=opened.timeouts.with_own(entry.settings),
    )


def _opened(
    *,
    tenant_id: UUID,
    provider_id: UUID | None,
    kind: str,
    base_url: str,
    figures: Mapping[str, Any],
    secrets: Mapping[str, str],
    endpoint: str,
) -> Target:
    described = KINDS[kind]
    figures = {**described.default_settings(), **figures}
    return Target(
        tenant_id=tenant_id,
        provider_id=provider_id,
        kind=kind,
        base_url=base_url,
        headers={**figures.get("extra_headers", {}), **described.auth_headers(secrets, "inference")},
        admin_headers=described.auth_headers(secrets, "admin") or None,
        timeouts=_timeouts(figures),
        verify_tls=figures["verify_tls"],
        policy=egress_policy(tenant_id),
        upstream_name=None,
        model_name=None,
        model_entry_id=None,
        endpoint=endpoint,
        max_concurrency=figures["max_concurrency"],
        capacity=capacity_of(endpoint, figures["max_concurrency"]),
    )


def _timeouts(figures: Mapping[str, Any]) -> Timeouts:
    return Timeouts(
        connect_seconds=figures["connect_timeout_seconds"],
        first_token_seconds=figures["first_token_timeout_seconds"],
        idle_seconds=figures["idle_timeout_seconds"],
        total_seconds=figures["total_timeout_seconds"],
    )


# --- Which model ---
def _named_entry(tenant_id: UUID, model_name: str | None, operation: str) -> ModelEntry:
    if model_name and model_name != DEFAULT_MODEL:
        entries = ModelEntry.objects.for_tenant(tenant_id).select_related("provider", "tenant")
        is_text = "\x00" not in model_name  # PostgreSQL refuses the question
        named: ModelEntry | None = entries.filter(name=model_name).first() if is_text else None
        if named is None:
            raise _unknown(model_name)
        return named
    wanted = OPERATION_TYPES[operation]
    defaults = DefaultModel.objects.for_tenant(tenant_id).select_related("model__provider", "model__tenant")
    default: DefaultModel | None = defaults.filter(type=wanted).first()
    if default is None:
        raise UnknownModel(message=f"No default model of type {wanted.value} is set. Name a model, or set a default.")
    return default.model


def _unknown(name: str) -> UnknownModel:
    return UnknownModel(message=f"The model `{name}` does not exist. GET /v1/models lists those this key may use.")


def _refuse_unusable(entry: ModelEntry, operation: str) -> None:
    if not entry.enabled:
        raise ModelDisabled(message=f"The model `{entry.name}` is switched off.")
    if not entry.provider.enabled:
        raise ModelDisabled(message=f"The provider of the model `{entry.name}` is switched off.")
    wanted = OPERATION_TYPES[operation]
    if entry.type != wanted:
        raise WrongModelType(
            message=f"The model `{entry.name}` is of type {entry.type}; {operation} needs one of type {wanted.value}."
        )


# --- Secrets ---
def _active_credential(provider: Provider) -> Credential | None:
    return (
        Credential.objects.for_tenant(provider.tenant_id)
        .filter(provider=provider, state__in=[Credential.State.ACTIVE, Credential.State.UNDECRYPTABLE])
        .order_by("state")
        .first()
    )


def _open_secrets(provider: Provider, credential: Credential | None) -> dict[str, str]:
    """The origin is the present base URL's, not the row's: a secret never follows a provider to another server."""
    if credential is None:
        return {}
    origin = origin_of(provider.base_url)
    opened = {}
    for secret in credential.secrets.all():
        context = Context(provider.tenant_id, SEALED_IN, credential.pk, secret.field, origin)
        try:
            opened[secret.field] = open_sealed(bytes(secret.blob), context).decode()
        except Undecryptable as fault:
            raise SecretUnreadable(message=f"The stored {secret.field} of this provider cannot be opened.") from fault
    return opened


def _open_again(provider: Provider, credential: Credential, fault: SecretUnreadable) -> tuple[Provider, dict[str, str]]:
    """Once more under the provider's lock: address and secrets may have been read while a change was committed."""
    if credential.state == Credential.State.UNDECRYPTABLE:
        raise fault
    with provider_locked(provider.tenant_id, provider.pk) as fresh:
        now = Credential.objects.for_tenant(provider.tenant_id).filter(pk=credential.pk).first()
        if fresh is None or now is None:
            raise fault
        try:
            return fresh, _open_secrets(fresh, now)
        except SecretUnreadable:
            note_unreadable(fresh, now)
    raise fault


# --- Addresses ---
def egress_policy(tenant_id: UUID) -> EgressPolicy:
    """Where this tenant's calls may go: the setting, grants to all, and grants to this tenant, while they last."""
    grants = EgressGrant.objects.filter(
        Q(tenant_id=None) | Q(tenant_id=tenant_id), Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    )
    granted = [
        AllowedRange(
            ipaddress.ip_network(grant.cidr, strict=False),
            grant.port_from,
            grant.port_to,
            grant.expires_at.timestamp() if grant.expires_at else None,
        )
        for grant in grants
    ]
    allowed = (*parse_allow(",".join(settings.EGRESS_ALLOW)), *granted)
    closed = own_addresses()
    content = "|".join([*sorted(map(str, allowed)), "never", *sorted(map(str, closed))])
    return EgressPolicy(allowed, hashlib.sha256(content.encode()).hexdigest()[:16], closed)


# --- What was resolved a moment ago ---
class _KeptConnections:
    """They go with what was known of the tenant: a grant may be withdrawn, a certificate is to be checked."""

    def drop(self, tenant_id: UUID | None) -> None:
        client.hang_up(tenant_id)

    def expire(self, *, within_seconds: float) -> None:
        """A change that was not heard shows in the policy's version: they rest for half a minute, and nobody asks."""


register(_KeptConnections())
_targets: FreshCache[tuple[UUID, str | None, str], Target] = FreshCache(
    tenant_of=lambda target: target.tenant_id, max_entries=50_000
)


async def target_for(caller: Caller, model_name: str | None, operation: str) -> Target:
    """`target_of` for `caller`, whose key may name the models it is for."""
    target = await target_of(caller.tenant_id, model_name, operation)
    if caller.allowed_models is not None and target.model_name not in caller.allowed_models:
        raise _unknown(model_name or DEFAULT_MODEL)
    return target


async def target_of(tenant_id: UUID, model_name: str | None, operation: str) -> Target:
    """`resolve`, from memory where it was asked within seconds; what has changed is forgotten at once."""
    key = (tenant_id, model_name, operation)
    target = _targets.get(key)
    if target is None:
        target = await _targets.load(key, lambda: in_db(resolve, *key))
    return target
