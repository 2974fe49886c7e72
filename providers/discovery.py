"""Discovery: what a server says it serves, kept with what changed since the last time, and imported as entries."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from providers import doorbell, routing, worker_loop
from providers.errors import PlatformError, ProviderError, TimedOut, WorkerLost
from providers.kinds import KINDS
from providers.kinds.facts import FoundModel
from providers.models import Discovery, Provider
from providers.untrusted import storable
from providers.upstream import client
from providers.upstream.target import Target
from tenants import audit
from tenants.actors import Actor
from tenants.in_db import in_db

State = Discovery.State
LEASE_SECONDS: Final = 90
LISTING_SECONDS: Final = 60  # a listing loads no model: a server that needs longer is stuck
MAX_CLAIMS: Final = 5  # of one discovery whose workers died or were stopped
HEARD_SECONDS: Final = 10
MAX_FOUND: Final = 5000
KEPT: Final = 50  # discoveries of one provider
MAX_NAME_CHARS: Final = 255


@dataclass(frozen=True, slots=True)
class Claim:
    discovery_id: UUID
    tenant_id: UUID
    provider_id: UUID
    token: int


# --- Verbs ---


def queue_discovery(provider: Provider, *, by: Actor) -> Discovery:
    """Store a discovery and ring for a worker after the commit."""
    discovery = Discovery(tenant_id=provider.tenant_id, provider=provider)
    with transaction.atomic():
        discovery.save(force_insert=True)
        audit.record(
            tenant=provider.tenant_id,
            by=by,
            action="discovery.queued",
            object_type="discovery",
            object_id=discovery.id,
            label=provider.name,
            detail={"provider": str(provider.id)},
        )
        doorbell.ring("discovery", discovery.id)
    return discovery


def execute(discovery_id: UUID) -> Future[None]:
    """Have the worker's loop make this discovery, if nobody else does. The future ends with it."""
    return worker_loop.start(_execute(discovery_id), name=f"discovery {discovery_id}")


def last_result(provider: Provider) -> Discovery | None:
    """The newest listing that succeeded."""
    rows = Discovery.objects.for_tenant(provider.tenant_id).filter(provider_id=provider.id, state=State.SUCCEEDED)
    return rows.order_by("-id").first()


def store_result(provider: Provider, found: Iterable[FoundModel]) -> Discovery:
    """Keep what a validation listed, as a discovery of its own. In the caller's transaction."""
    listed = as_rows(found)
    result = Discovery(tenant_id=provider.tenant_id, provider=provider, state=State.SUCCEEDED, found=listed)
    result.diff = difference(_found_last(provider), listed)
    result.finished_at = timezone.now()
    result.save(force_insert=True)
    _drop_old(provider)
    return result


def sweep(now: datetime | None = None) -> int:
    """Queue again what a dead worker held, and ring again for what nobody took. Returns how many were rung for."""
    now = now or timezone.now()
    lost = Discovery.unscoped.filter(state=State.RUNNING, lease_until__lt=now)
    lost.filter(lease_token__lt=MAX_CLAIMS).update(state=State.QUEUED, lease_until=None)
    lost.update(state=State.FAILED, error=WorkerLost().as_job_error(), finished_at=now, lease_until=None)
    unheard = Discovery.unscoped.filter(state=State.QUEUED, created_at__lt=now - timedelta(seconds=HEARD_SECONDS))
    waiting = list(unheard.order_by("id").values_list("id", flat=True)[:200])
    for discovery_id in waiting:
        doorbell.ring("discovery", discovery_id)
    return len(waiting)


# --- What was found ---


def as_rows(found: Iterable[FoundModel]) -> list[dict[str, Any]]:
    """The listing as stored: names that no request could carry are left out, and so is what exceeds all reason."""
    rows = {model.upstream_name: storable(model.as_json()) for model in found if _is_usable(model.upstream_name)}
    return [rows[name] for name in sorted(rows)][:MAX_FOUND]


def difference(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Names that are new, gone, or told otherwise than last time."""
    was = {row["upstream_name"]: row for row in before}
    now = {row["upstream_name"]: row for row in after}
    return {
        "added": sorted(now.keys() - was.keys()),
        "removed": sorted(was.keys() - now.keys()),
        "changed": sorted(name for name in now.keys() & was.keys() if now[name] != was[name]),
    }


def _is_usable(name: str) -> bool:
    return 1 <= len(name) <= MAX_NAME_CHARS and name.isprintable()


def _drop_old(provider: Provider) -> None:
    """Every validation lists anew: what is older than the last `KEPT` tells nobody anything."""
    rows = Discovery.objects.for_tenant(provider.tenant_id).filter(provider_id=provider.id)
    oldest_kept = rows.order_by("-id").values_list("id", flat=True)[KEPT - 1 : KEPT].first()
    if oldest_kept is not None:
        rows.filter(id__lt=oldest_kept, finished_at__isnull=False).delete()


def _found_last(provider: Provider) -> list[dict[str, Any]]:
    last = last_result(provider)
    return list(last.found) if last else []


# --- On the worker ---


async def _execute(discovery_id: UUID) -> None:
    claim = await in_db(_claim, discovery_id)
    if claim is None:
        return
    try:
        found = await _list_models(await in_db(_target, claim))
        await in_db(_succeed, claim, found)
    except ProviderError as error:
        await in_db(_fail, claim, error.as_job_error())
    except asyncio.CancelledError:
        await in_db(_release, claim)
        raise
    except Exception:  # the outermost loop of a discovery: the row ends in an honest state, the log has the rest
        await in_db(_fail, claim, PlatformError("internal_error").as_job_error())
        raise


async def _list_models(target: Target) -> list[FoundModel]:
    try:
        async with asyncio.timeout(LISTING_SECONDS):
            return await KINDS[target.kind].list_models(client.current(), target)
    except TimeoutError:
        raise TimedOut("total", f"The server did not list its models within {LISTING_SECONDS} s.") from None


def _claim(discovery_id: UUID) -> Claim | None:
    row = Discovery.unscoped.filter(id=discovery_id, state=State.QUEUED).first()
    if row is None:
        return None
    until = timezone.now() + timedelta(seconds=LEASE_SECONDS)
    taken = Discovery.unscoped.filter(id=row.id, state=State.QUEUED, lease_token=row.lease_token)
    if not taken.update(state=State.RUNNING, lease_token=row.lease_token + 1, lease_until=until):
        return None
    return Claim(row.id, row.tenant_id, row.provider_id, row.lease_token + 1)


def _target(claim: Claim) -> Target:
    return routing.provider_target(_provider(claim))


def _provider(claim: Claim) -> Provider:
    provider: Provider = Provider.objects.for_tenant(claim.tenant_id).get(id=claim.provider_id)
    return provider


def _succeed(claim: Claim, found: list[FoundModel]) -> bool:
    provider = _provider(claim)
    listed = as_rows(found)
    with transaction.atomic():
        diff = difference(_found_last(provider), listed)
        ended = _end(claim, state=State.SUCCEEDED, found=listed, diff=diff)
        _drop_old(provider)
    return ended


def _fail(claim: Claim, error: dict[str, Any]) -> bool:
    return _end(claim, state=State.FAILED, error=storable(error))


def _release(claim: Claim) -> None:
    if _held(claim).update(state=State.QUEUED, lease_until=None):
        doorbell.ring_now("discovery", claim.discovery_id)


def _end(claim: Claim, **values: Any) -> bool:
    """True if this claim still held it: then the row has ended so."""
    return bool(_held(claim).update(**values, finished_at=timezone.now(), lease_until=None))


def _held(claim: Claim) -> Any:
    rows = Discovery.objects.for_tenant(claim.tenant_id)
    return rows.filter(id=claim.discovery_id, state=State.RUNNING, lease_token=claim.token)
