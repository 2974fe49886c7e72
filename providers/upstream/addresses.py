"""Which addresses may never be dialled, which only with an operator's word, and which address hides in which.

Our own table, not `ipaddress.is_global`: Python 3.11 calls 64:ff9b::7f00:1, 2002:7f00:1::, fec0::1, 224.0.0.1 and
168.63.129.16 global.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, Literal

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Standing = Literal["never", "private", "public"]

_NEVER_V4: Final = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # "this network"; Linux dials 0.0.0.0 as loopback
        "100.100.100.200/32",  # Alibaba's metadata
        "168.63.129.16/32",  # Azure's platform address
        "169.254.0.0/16",  # link-local; most clouds' metadata
        "192.0.0.0/24",  # IETF; 192.0.0.192 is Oracle's metadata
        "192.0.2.0/24",  # documentation, as are the next three but one
        "192.88.99.0/24",  # 6to4 relays, retired
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
_PRIVATE_V4: Final = tuple(
    IPv4Network(text) for text in ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
)
_NEVER_V6: Final = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # IETF: Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation
        "fd00:ec2::/32",  # AWS's metadata and DNS
        "fd20:ce::/32",  # Google's metadata
    )
)
_LOCAL_NAT64: Final = IPv6Network("64:ff9b:1::/48")
_PRIVATE_V6: Final = (IPv6Network("::1/128"), IPv6Network("fc00::/7"), _LOCAL_NAT64)
_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_NAT64: Final = IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR: Final = IPv6Network("2002::/16")
# All that is not in here is unassigned, link-local, site-local, multicast, or an old way to write an IPv4 address.
_ASSIGNED_V6: Final = (IPv6Network("2000::/3"), *_PRIVATE_V6, _MAPPED, _NAT64)


def standing_of(address: Address) -> Standing:
    """What may become of `address` by itself; the addresses inside it are judged beside it."""
    if isinstance(address, IPv4Address):
        never, private = _within(address, _NEVER_V4), _within(address, _PRIVATE_V4)
    else:
        never = bool(address.scope_id) or _within(address, _NEVER_V6) or not _within(address, _ASSIGNED_V6)
        private = _within(address, _PRIVATE_V6)
    if never:
        return "never"
    return "private" if private else "public"


def mapped_in(address: Address) -> IPv4Address | None:
    """The IPv4 address that `::ffff:a.b.c.d` is on this very host's stack."""
    return address.ipv4_mapped if isinstance(address, IPv6Address) else None


def embedded_in(address: Address) -> Iterator[IPv4Address]:
    """Every IPv4 address that a relay or translator might read out of `address`."""
    if isinstance(address, IPv4Address):
        return
    number = int(address)
    if address in _SIX_TO_FOUR:
        yield IPv4Address(number >> 80 & 0xFFFFFFFF)
    if address.teredo is not None:
        yield from address.teredo
    if address in _NAT64:
        yield _last_32_bits(number)
    if address in _LOCAL_NAT64:
        yield from _translated(number)
    if number >> 32 & 0xFDFFFFFF == 0x00005EFE:  # ISATAP, RFC 5214 §6.1, with and without the universal bit
        yield _last_32_bits(number)


def _translated(number: int) -> Iterator[IPv4Address]:
    """RFC 6052 §2.2: where a translator with a /48, /56, /64 or /96 prefix keeps the address; bits 64-71 stay free."""
    yield IPv4Address((number >> 64 & 0xFFFF) << 16 | number >> 40 & 0xFFFF)
    yield IPv4Address((number >> 64 & 0xFF) << 24 | number >> 32 & 0xFFFFFF)
    yield IPv4Address(number >> 24 & 0xFFFFFFFF)
    yield _last_32_bits(number)


def _last_32_bits(number: int) -> IPv4Address:
    return IPv4Address(number & 0xFFFFFFFF)


def _within(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)


def parse_address(text: str) -> Address | None:
    """`text` as an address in its plain spelling, brackets allowed; None when it is a name."""
    try:
        return ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
