"""Walk a tenant's chain of audit events and tell what no longer fits."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from tenants import audit_chain
from tenants.audit import outside_the_chain
from tenants.models import AuditEvent, AuditHead, Tenant
from tenants.sealing import Undecryptable

CHUNK_ROWS = 1000
FINDINGS_MAX = 20  # of one tenant: where the first stands is what matters


@dataclass(frozen=True, slots=True)
class Verdict:
    """`head` is `seq:hash`: noted down elsewhere, it tells later whether a former state was put back."""

    tenant: str
    events: int
    head: str
    findings: tuple[str, ...]


def verify(tenant: Tenant, *, noted_head: str = "") -> Verdict:
    """Read every event once. Events that are added meanwhile are left for the next time."""
    head = AuditHead.objects.for_tenant(tenant).first()
    if head is None:
        return Verdict(tenant.slug, 0, "", ("The head of the chain is missing.",))
    findings = tuple(islice(_findings(tenant, head, noted_head), FINDINGS_MAX))
    return Verdict(tenant.slug, head.seq, f"{head.seq}:{head.hash}", findings)


def _findings(tenant: Tenant, head: AuditHead, noted_head: str) -> Iterator[str]:
    try:
        key = audit_chain.open_key(head.key)
    except Undecryptable:
        yield "The key of the chain does not open: it was replaced, or the keyring lacks what it was sealed under."
        return
    if not hmac.compare_digest(head.mac, audit_chain.head_mac(key, tenant.id, head.seq, head.hash)):
        yield "The head of the chain was altered."
    events = AuditEvent.objects.for_tenant(tenant).exclude(seq=None).order_by("seq")
    yield from _walk(events.filter(seq__lte=head.seq).iterator(CHUNK_ROWS), key, head)
    yield from _beyond(tenant, head)
    yield from _noted(tenant, noted_head)


def _walk(events: Iterable[AuditEvent], key: bytes, head: AuditHead) -> Iterator[str]:
    expected, previous = 1, audit_chain.GENESIS
    for event in events:
        assert event.seq is not None
        if event.seq > expected:
            yield _missing(expected, event.seq - 1)
        if not hmac.compare_digest(event.hash or "", audit_chain.event_hash(key, event)):
            yield f"Event {event.seq} ({event.action}) was altered, moved or put in."
        elif event.seq == expected and event.prev_hash != previous:
            yield f"Event {event.seq} ({event.action}) does not follow the one before it."
        expected, previous = event.seq + 1, event.hash or ""
    if expected <= head.seq:
        yield _missing(expected, head.seq) + " The log was cut off."
    elif previous != head.hash:
        yield "The last event is not the one that the head names."


def _missing(first: int, last: int) -> str:
    return f"Event {first} is missing." if first == last else f"Events {first} to {last} are missing."


def _beyond(tenant: Tenant, head: AuditHead) -> Iterator[str]:
    """Events that no head accounts for. One that was added since we began has moved the head as well."""
    last = AuditEvent.objects.for_tenant(tenant).filter(seq__gt=head.seq).order_by("-seq").first()
    if last is not None and last.seq is not None:
        now = AuditHead.objects.for_tenant(tenant).first()
        if now is None or last.seq > now.seq:
            yield f"Event {last.seq} ({last.action}) stands beyond the end of the chain."
    outside = outside_the_chain(tenant.id).count()
    if outside:
        yield f"{outside} events stand outside the chain. Written during an upgrade? Then run this with --adopt."


def _noted(tenant: Tenant, noted_head: str) -> Iterator[str]:
    if not noted_head:
        return
    seq, _, noted_hash = noted_head.partition(":")
    event = AuditEvent.objects.for_tenant(tenant).filter(seq=int(seq)).first()
    if event is None or event.hash != noted_hash:
        yield f"Event {seq} is not the one whose hash was noted: a former state was put back."
