"""Who calls `/v1`: the API key in the Authorization header, remembered for seconds, forgotten at once when revoked."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.types import Scope

from providers.fresh_cache import FreshCache
from tenants import tokens
from tenants.authentication import Caller, caller_of_key, identify, refused
from tenants.in_db import in_db
from tenants.problems import Problem

_SALT = secrets.token_bytes(16)  # the cache knows keys by a digest: none lies about in memory


@dataclass(frozen=True, slots=True)
class _Known:
    caller: Caller
    expires_at: float | None
    networks: tuple[IPv4Network | IPv6Network, ...] | None


_known: FreshCache[bytes, _Known] = FreshCache(tenant_of=lambda known: known.caller.tenant_id, max_entries=100_000)


async def caller_of(scope: Scope, *needed: str) -> Caller:
    """The caller of this request, who holds one of the scopes `needed`. Raises Problem: authentication_failed,
    address_not_allowed, tenant_suspended or insufficient_scope."""
    caller = await key_holder(scope)
    if caller.scopes.isdisjoint(needed):
        caller.require(needed[0])
    return caller


async def key_holder(scope: Scope) -> Caller:
    """The caller that the bearer key of this request stands for, whatever it may do."""
    authorization = _authorization(scope)
    digest = hashlib.blake2b(authorization, key=_SALT, digest_size=16).digest()
    known = _known.get(digest)
    if known is None or (known.expires_at is not None and known.expires_at <= time.time()):
        known = await _look_up(digest, authorization.decode("latin-1"), _client_ip(scope))
    if known.networks is not None:
        _refuse_foreign_address(known.networks, _client_ip(scope))
    return known.caller


def _authorization(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"authorization":
            return bytes(value)
    return b""


def _client_ip(scope: Scope) -> str | None:
    client = scope.get("client")
    return client[0] if client else None


async def _look_up(digest: bytes, authorization: str, client_ip: str | None) -> _Known:
    scheme, _, key = authorization.partition(" ")
    if scheme.lower() != "bearer" or tokens.parse(key.strip()) is None:  # seen without a look at the database
        raise refused("Send an API key of this platform as `Authorization: Bearer myd_live_…`.")
    return await _known.load(digest, lambda: in_db(_identify, authorization, client_ip))


def _identify(authorization: str, client_ip: str | None) -> _Known:
    principal = identify({"authorization": authorization}, {}, client_ip)
    caller = caller_of_key(principal)
    assert principal is not None
    assert principal.api_key is not None
    api_key = principal.api_key
    return _Known(
        caller,
        principal.valid_until.timestamp() if principal.valid_until else None,
        tuple(map(ip_network, api_key.allowed_cidrs)) if api_key.allowed_cidrs is not None else None,
    )


def _refuse_foreign_address(networks: tuple[IPv4Network | IPv6Network, ...], client_ip: str | None) -> None:
    try:
        address: IPv4Address | IPv6Address = ip_address(client_ip or "")
    except ValueError:
        raise Problem("address_not_allowed") from None
    shown = getattr(address, "ipv4_mapped", None) or address  # how a dual-stack socket shows an IPv4 client
    if not any(shown in network for network in networks):
        raise Problem("address_not_allowed")
