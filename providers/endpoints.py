"""What capacity and fairness are counted for: the box behind a shared private address, else the provider's row."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from django.db.models import OuterRef, Q, Subquery
from django.utils import timezone

from providers.models import EgressGrant, Provider, ValidationRun
from providers.upstream.addresses import parse_address
from providers.upstream.egress import DEFAULT_PORTS, endpoint_of


def endpoint_for(provider: Provider) -> str:
    """`address:port` where the dialled address is private or loopback, else a name made of the provider's id.

    A host name is taken for the address its last passed validation saw: no name is resolved here.
    """
    return endpoint_of(provider.base_url, _last_addresses(provider), str(provider.pk))


def capacity_of(endpoint: str, own_figure: int | None) -> int | None:
    """How many requests `endpoint` takes at once: the operator's figure, else its providers' smallest. None: no limit.

    `own_figure` is `max_concurrency` of the provider that asks; it stands alone where the endpoint is that provider.
    """
    address, port = _address_of(endpoint)
    if address is None:
        return own_figure
    granted = _operator_figure(address, port)
    return granted if granted is not None else _smallest_figure(address, port)


def _last_addresses(provider: Provider) -> list[str]:
    host = urlsplit(provider.base_url).hostname or ""
    if parse_address(host) or host == "localhost":
        return []
    runs = ValidationRun.objects.for_tenant(provider.tenant_id)
    passed = runs.filter(provider_id=provider.pk, state=ValidationRun.State.PASSED)
    steps = passed.order_by("-id").values_list("steps", flat=True).first() or []
    evidence = [step.get("evidence", {}) for step in steps if step.get("step") == "dns"]
    return [str(address) for found in evidence for address in found.get("addresses", [])]


def _address_of(endpoint: str) -> tuple[str | None, int]:
    host, _, port = endpoint.rpartition(":")
    address = parse_address(host)
    return (str(address), int(port)) if address else (None, 0)


def _operator_figure(address: str, port: int) -> int | None:
    grants = EgressGrant.objects.filter(
        Q(expires_at=None) | Q(expires_at__gt=timezone.now()),
        max_concurrency__isnull=False,
        port_from__lte=port,
        port_to__gte=port,
    )
    wanted = ipaddress.ip_address(address)
    figures = [g.max_concurrency for g in grants if wanted in ipaddress.ip_network(g.cidr, strict=False)]
    return min((figure for figure in figures if figure is not None), default=None)


def _smallest_figure(address: str, port: int) -> int | None:
    """Only providers that passed their last validation have a say: nobody throttles a box they cannot use."""
    last_state = ValidationRun.unscoped.filter(provider_id=OuterRef("pk"), finished_at__isnull=False).order_by("-id")
    sharing = (
        Provider.unscoped.filter(_spelled(address, port), enabled=True)
        .annotate(last_state=Subquery(last_state.values("state")[:1]))
        .filter(last_state=ValidationRun.State.PASSED)
    )
    figures = sharing.values_list("settings__max_concurrency", flat=True).distinct()
    return min((int(figure) for figure in figures if figure is not None), default=None)


def _spelled(address: str, port: int) -> Q:
    """Every normalised base URL that dials `address:port` without asking a resolver."""
    found = Q()
    for origin in _origins(address, port):
        found |= Q(base_url=origin) | Q(base_url__startswith=f"{origin}/")
    return found


def _origins(address: str, port: int) -> Iterable[str]:
    hosts = [f"[{address}]" if ":" in address else address]
    if ipaddress.ip_address(address).is_loopback:
        hosts += ["localhost", "[::1]"]
    for host in hosts:
        for scheme, default_port in DEFAULT_PORTS.items():
            yield f"{scheme}://{host}" if port == default_port else f"{scheme}://{host}:{port}"
