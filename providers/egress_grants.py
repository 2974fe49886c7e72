"""Operators' grants: which private addresses may be dialled, by one tenant or by all. Written from the admin."""

from __future__ import annotations

import ipaddress
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from django.db import transaction
from django.utils import timezone

from providers.forms import refuse
from providers.invalidation import invalidate
from providers.models import EgressGrant
from tenants import audit
from tenants.actors import Actor
from tenants.models import Tenant
from tenants.problems import FieldError

MAX_PORT: Final = 65535
MAX_REASON_CHARS: Final = 200

log = structlog.get_logger(__name__)


def grant_egress(
    *,
    by: Actor,
    cidr: str,
    tenant: Tenant | None = None,
    port_from: int = 1,
    port_to: int = MAX_PORT,
    max_concurrency: int | None = None,
    reason: str = "",
    expires_at: datetime | None = None,
) -> EgressGrant:
    """Let `tenant` (None: every tenant) dial these addresses on these ports, both ends included, until `expires_at`.

    Addresses that are never dialled stay closed. Raises one Problem naming every field at fault. Takes effect at once.
    """
    network = _network(cidr)
    faults = [] if network else [FieldError("cidr", "invalid", "Write an address or a range, such as 192.168.1.0/24.")]
    faults += _faults(port_from, port_to, max_concurrency, reason, expires_at)
    refuse(faults)
    grant = EgressGrant(
        tenant=tenant,
        cidr=str(network),
        port_from=port_from,
        port_to=port_to,
        max_concurrency=max_concurrency,
        reason=reason.strip(),
        expires_at=expires_at,
        created_by=by.label[:254],
    )
    with transaction.atomic():
        grant.save(force_insert=True)
        _record(grant, by, "granted")
    return grant


def withdraw_egress(grant: EgressGrant, *, by: Actor) -> None:
    """Take a grant back. Connections that it opened are not used again: the policy's version has changed."""
    with transaction.atomic():
        _record(grant, by, "withdrawn")
        grant.delete()


def _network(cidr: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(cidr.strip(), strict=False)
    except ValueError:
        return None


def _faults(
    port_from: int, port_to: int, max_concurrency: int | None, reason: str, expires_at: datetime | None
) -> list[FieldError]:
    faults = []
    if not 1 <= port_from <= MAX_PORT:
        faults.append(FieldError("port_from", "invalid", f"A port is 1 to {MAX_PORT}."))
    if not port_from <= port_to <= MAX_PORT:
        faults.append(FieldError("port_to", "invalid", f"It is at least port_from and at most {MAX_PORT}."))
    if max_concurrency is not None and max_concurrency < 1:
        faults.append(FieldError("max_concurrency", "min_value", "At least 1; empty for no figure."))
    if len(reason.strip()) > MAX_REASON_CHARS:
        faults.append(FieldError("reason", "max_length", f"At most {MAX_REASON_CHARS} characters."))
    if expires_at is not None and expires_at <= timezone.now():
        faults.append(FieldError("expires_at", "invalid", "This time has passed."))
    return faults


def _record(grant: EgressGrant, by: Actor, action: str) -> None:
    """In the tenant's audit log where the grant is one tenant's; always in the platform's log."""
    tenant_id: UUID | None = grant.tenant_id
    facts = {"cidr": grant.cidr, "ports": f"{grant.port_from}-{grant.port_to}", "reason": grant.reason}
    log.info(f"egress_{action}", by=by.label, tenant=str(tenant_id or "all"), **facts)
    if tenant_id is not None:
        audit.record(
            tenant=tenant_id,
            by=by,
            action=f"egress.{action}",
            object_type="egress_grant",
            object_id=grant.id,
            label=grant.cidr,
            detail=facts,
        )
    invalidate(tenant_id)
