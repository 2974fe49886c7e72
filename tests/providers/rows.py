"""Providers and models for tests of what stands behind registration: rows, sealed as the verbs seal them."""

from __future__ import annotations

from typing import Any

from providers.models import Credential, DefaultModel, EgressGrant, ModelEntry, Provider, SealedSecret
from providers.routing import SEALED_IN
from providers.upstream.egress import origin_of
from tenants.sealing import Context, fingerprint, seal
from tests.factories import Team


def add_provider(
    team: Team, base_url: str, *, name: str = "gpu-box", kind: str = "localai", secrets: Any = None, **settings: Any
) -> Provider:
    provider = Provider(tenant_id=team.id, kind=kind, name=name, base_url=base_url, settings=settings)
    provider.save()
    if secrets:
        add_credential(provider, secrets)
    return provider


def add_credential(provider: Provider, secrets: dict[str, str], *, name: str = "default", state: str = "active") -> Any:
    credential = Credential(tenant_id=provider.tenant_id, provider=provider, name=name, state=state)
    credential.save()
    origin = origin_of(provider.base_url)
    for field, value in secrets.items():
        context = Context(provider.tenant_id, SEALED_IN, credential.pk, field, origin)
        SealedSecret(
            tenant_id=provider.tenant_id,
            credential=credential,
            field=field,
            origin=origin,
            blob=seal(value.encode(), context),
            fingerprint=fingerprint(provider.tenant_id, value),
        ).save()
    return credential


def add_model(provider: Provider, name: str, *, type: str = "llm", upstream_name: str = "", **facts: Any) -> ModelEntry:
    entry = ModelEntry(
        tenant_id=provider.tenant_id,
        provider=provider,
        name=name,
        type=type,
        upstream_name=upstream_name or name,
        **facts,
    )
    entry.save()
    return entry


def make_default(entry: ModelEntry) -> None:
    DefaultModel(tenant_id=entry.tenant_id, type=entry.type, model=entry).save()


def grant(cidr: str, **facts: Any) -> EgressGrant:
    return EgressGrant.objects.create(cidr=cidr, **facts)
