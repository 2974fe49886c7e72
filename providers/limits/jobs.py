"""The tokens of jobs: counted once they have been used, since nobody knows when a queued job will run."""

from __future__ import annotations

from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError

from providers.fresh_cache import FreshCache
from providers.limits.desk import desk
from tenants.in_db import in_db
from tenants.models import ApiKey, Tenant
from tenants.rate_limits import Bound, bounds_of

log = structlog.get_logger(__name__)

Payer = tuple[UUID, UUID | None]  # a tenant, and the key that submitted

_known: FreshCache[Payer, tuple[Payer, tuple[Bound, ...]]] = FreshCache(
    tenant_of=lambda known: known[0][0], max_entries=100_000
)


async def charge_job(tenant_id: UUID, api_key_id: UUID | None, tokens: int) -> None:
    """Count what a job has used against the limits of its tenant and of the key that submitted it."""
    payer = (tenant_id, api_key_id)
    try:
        known = _known.get(payer) or await _known.load(payer, lambda: in_db(_look_up, payer))
    except (OperationalError, InterfaceError) as down:
        log.warning("job_tokens_not_counted", error=str(down), tokens=tokens)
        return
    if known[1]:
        desk().charge(known[1], tokens)


def _look_up(payer: Payer) -> tuple[Payer, tuple[Bound, ...]]:
    tenant_id, api_key_id = payer
    tenant = Tenant.objects.filter(pk=tenant_id).first()
    if tenant is None:
        return payer, ()
    return payer, bounds_of(tenant, ApiKey.objects.for_tenant(tenant_id).filter(pk=api_key_id).first())
