"""Where calls may go. Pure: the literal form of an address is judged when it is saved, and each address when it is
dialled (see `pool`), so that a name that resolves elsewhere a minute later gains nothing.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_network
from typing import Final
from urllib.parse import urlsplit

from providers.errors import DestinationForbidden
from providers.upstream.addresses import Address, Network, embedded_in, mapped_in, parse_address, standing_of
from providers.upstream.base_url import check_base_url

__all__ = ["AllowedRange", "EgressPolicy", "check_base_url", "endpoint_of", "judge", "origin_of", "parse_allow"]

DEFAULT_PORTS: Final = {"http": 80, "https": 443}

# Public addresses answer on the web's ports and on unprivileged ones, but not where a database or a cluster listens.
CLOSED_PORTS: Final = frozenset(
    {1433, 1521, 2049, 2375, 2376, 2379, 2380, 3306, 3389, 5432, 5672, 5984, 6379, 6443}
    | {8200, 8500, 9042, 9092, 9200, 9300, 10250, 11211, 27017}
)

_ALLOW_ENTRY: Final = re.compile(
    r"(?:\[(?P<bracketed>[^\]]+)\]|(?P<v6>[^:]*:[^:]*:.*)|(?P<v4>[^:]+))(?::(?P<low>\d{1,5})(?:-(?P<high>\d{1,5}))?)?"
)


@dataclass(frozen=True, slots=True)
class AllowedRange:
    """Addresses that an operator has opened, on these ports (both ends included), until a moment (seconds since 1970).

    A policy is remembered for seconds; what it opens ends on time all the same.
    """

    network: Network
    port_from: int = 1
    port_to: int = 65535
    ends_at: float | None = None

    def covers(self, address: Address, port: int) -> bool:
        return address in self.network and self.port_from <= port <= self.port_to and not self.has_ended

    @property
    def has_ended(self) -> bool:
        return self.ends_at is not None and self.ends_at <= time.time()

    def __str__(self) -> str:
        until = "" if self.ends_at is None else f" until {self.ends_at:.3f}"
        return f"{self.network}:{self.port_from}-{self.port_to}{until}"


@dataclass(frozen=True)
class EgressPolicy:
    """What is allowed to one tenant now. Connections are kept per `version`, which stands for the whole content.

    `closed` takes away again: the platform's own addresses and ports.
    """

    allowed: tuple[AllowedRange, ...]
    version: str
    closed: tuple[AllowedRange, ...] = ()

    def allows(self, address: Address, port: int) -> bool:
        return any(entry.covers(address, port) for entry in self.allowed)

    @property
    def has_shrunk(self) -> bool:
        """Whether something of it has ended since: what was dialled under it need not be allowed any more."""
        return self._next_end <= time.time()

    @cached_property
    def _next_end(self) -> float:
        return min((entry.ends_at for entry in self.allowed if entry.ends_at is not None), default=math.inf)

    def closes(self, address: Address, port: int) -> bool:
        return any(entry.covers(address, port) for entry in self.closed)


def parse_allow(text: str) -> tuple[AllowedRange, ...]:
    """Read `CIDR[:port[-port]]`, separated by commas, IPv6 with ports as `[fc00::/7]:8080`. Raises ValueError that
    names the entry which cannot be read."""
    return tuple(_allowed_range(entry) for part in text.split(",") if (entry := part.strip()))


def _allowed_range(entry: str) -> AllowedRange:
    found = _ALLOW_ENTRY.fullmatch(entry)
    if not found:
        raise ValueError(f"{entry!r} is not CIDR[:port[-port]].")
    try:
        network = ip_network(found["bracketed"] or found["v6"] or found["v4"])
    except ValueError as fault:
        raise ValueError(f"{entry!r} is not CIDR[:port[-port]]: {fault}") from None
    low = int(found["low"] or 1)
    high = int(found["high"] or found["low"] or 65535)
    if not 1 <= low <= high <= 65535:
        raise ValueError(f"{entry!r}: ports go from 1 to 65535, the lower one first.")
    return AllowedRange(network, low, high)


def judge(address: Address, port: int, scheme: str, policy: EgressPolicy) -> None:
    """Return when `address` may be dialled; else raise DestinationForbidden, which says why but not what is there."""
    shown = mapped_in(address) or address
    if standing_of(address) == "never" or any(standing_of(inner) != "public" for inner in embedded_in(address)):
        raise _forbidden(shown, port, "addresses of this kind are never dialled")
    standing = standing_of(shown)
    if standing == "never" or policy.closes(shown, port):
        raise _forbidden(shown, port, "addresses of this kind are never dialled")
    if policy.allows(shown, port) or (shown is not address and policy.allows(address, port)):
        return
    if standing == "private":
        raise _forbidden(shown, port, "private and loopback addresses need an operator's word")
    if scheme != "https":
        raise _forbidden(shown, port, "plain http goes only to addresses an operator has allowed")
    if port in CLOSED_PORTS or (port < 1024 and port not in DEFAULT_PORTS.values()):
        raise _forbidden(shown, port, "this port is not one of a model server")


def _forbidden(address: Address, port: int, why: str) -> DestinationForbidden:
    shown = f"[{address}]" if address.version == 6 else str(address)
    return DestinationForbidden(f"The platform's address policy does not let {shown}:{port} be dialled: {why}.")


def origin_of(url: str) -> str:
    """`scheme://host:port` with the port always said: what a sealed secret is bound to."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    return f"{parts.scheme}://[{host}]:{port}" if ":" in host else f"{parts.scheme}://{host}:{port}"


def endpoint_of(base_url: str, addresses: Iterable[str], provider_id: object) -> str:
    """What capacity is counted for: `address:port` of a shared private box, else a name made of `provider_id`.

    `addresses` are those the host name was last seen to have; a literal address and `localhost` need none.
    """
    parts = urlsplit(base_url)
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    host = parts.hostname or ""
    known = ["127.0.0.1"] if host == "localhost" else [host] if parse_address(host) else sorted(addresses)
    for text in known:
        address = parse_address(text)
        if address is not None and standing_of(mapped_in(address) or address) == "private":
            return f"{_box(mapped_in(address) or address)}:{port}"
    return f"provider:{provider_id}"


def _box(address: Address) -> str:
    if address.is_loopback:
        return "127.0.0.1"
    return f"[{address}]" if address.version == 6 else str(address)
