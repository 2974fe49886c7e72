"""How far a key reaches. A key that makes or changes keys can never give more than it has itself."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime

from tenants.models import ApiKey
from tenants.permissions import in_order, within_role
from tenants.problems import Problem
from tenants.rate_limits import FIGURES, NO_LIMITS, RateLimits


@dataclass(frozen=True, slots=True)
class Limits:
    """None means no limit of that sort."""

    scopes: frozenset[str]
    allowed_models: frozenset[str] | None = None
    allowed_cidrs: tuple[str, ...] | None = None
    expires_at: datetime | None = None
    rate_limits: RateLimits = NO_LIMITS


def of_key(api_key: ApiKey, role: str) -> Limits:
    return Limits(
        within_role(api_key.scopes, role),
        None if api_key.allowed_models is None else frozenset(api_key.allowed_models),
        None if api_key.allowed_cidrs is None else tuple(api_key.allowed_cidrs),
        api_key.expires_at,
        api_key.rate_limits,
    )


def narrowed(wanted: Limits, maker: Limits) -> Limits:
    """`wanted` where it stays within the maker's own limits; what it leaves open is taken from there.

    Raises Problem `insufficient_scope` when it reaches further.
    """
    missing = wanted.scopes - maker.scopes
    if missing:
        names = ", ".join(f"`{scope}`" for scope in in_order(missing))
        raise Problem("insufficient_scope", hint=f"You cannot give {names}, which you do not hold yourself.")
    return Limits(
        wanted.scopes,
        _within_models(wanted.allowed_models, maker.allowed_models),
        _within_cidrs(wanted.allowed_cidrs, maker.allowed_cidrs),
        _within_time(wanted.expires_at, maker.expires_at),
        _within_rates(wanted.rate_limits, maker.rate_limits),
    )


def require_within(limits: Limits, maker: Limits) -> None:
    """Raises Problem `insufficient_scope` unless `limits` leave nothing open that the maker's own do not."""
    if narrowed(limits, maker) != limits:
        raise Problem("insufficient_scope", hint="This key reaches further than the one that you are using.")


def _reaches_further(field: str) -> Problem:
    return Problem("insufficient_scope", hint=f"`{field}` reaches further than the key that you are using.")


def _within_models(wanted: frozenset[str] | None, maker: frozenset[str] | None) -> frozenset[str] | None:
    if wanted is None or maker is None:
        return maker if wanted is None else wanted
    if not wanted <= maker:
        raise _reaches_further("allowed_models")
    return wanted


def _within_cidrs(wanted: tuple[str, ...] | None, maker: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if wanted is None or maker is None:
        return maker if wanted is None else wanted
    if not all(any(_is_inside(cidr, outer) for outer in maker) for cidr in wanted):
        raise _reaches_further("allowed_cidrs")
    return wanted


def _is_inside(cidr: str, outer: str) -> bool:
    inner, around = ipaddress.ip_network(cidr), ipaddress.ip_network(outer)
    if isinstance(inner, ipaddress.IPv4Network) and isinstance(around, ipaddress.IPv4Network):
        return inner.subnet_of(around)
    if isinstance(inner, ipaddress.IPv6Network) and isinstance(around, ipaddress.IPv6Network):
        return inner.subnet_of(around)
    return False


def _within_time(wanted: datetime | None, maker: datetime | None) -> datetime | None:
    if wanted is None or maker is None:
        return maker if wanted is None else wanted
    if wanted > maker:
        raise _reaches_further("expires_at")
    return wanted


def _within_rates(wanted: RateLimits, maker: RateLimits) -> RateLimits:
    figures: dict[str, int | None] = {}
    for figure in FIGURES:
        own, offered = getattr(wanted, figure), getattr(maker, figure)
        if own is not None and offered is not None and own > offered:
            raise _reaches_further(f"rate_limits.{figure}")
        figures[figure] = offered if own is None else own
    return RateLimits(**figures)
