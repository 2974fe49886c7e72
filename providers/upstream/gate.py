"""The egress policy where sockets open: every name's answer and every single connect passes here."""

from __future__ import annotations

import socket

from providers.errors import DestinationForbidden
from providers.upstream.addresses import parse_address
from providers.upstream.egress import EgressPolicy, judge
from providers.upstream.lookup import Lookups, is_localhost


class Gate:
    """One policy for one scheme. Only sockets that `open_socket` made are ever connected."""

    def __init__(self, lookups: Lookups, policy: EgressPolicy, scheme: str) -> None:
        self._lookups = lookups
        self._policy = policy
        self._scheme = scheme

    async def addresses_of(self, host: str, port: int, *, within_seconds: float) -> tuple[str, ...]:
        """All addresses of a name or literal, each one permitted. Raises NameUnknown, or DestinationForbidden when any
        of them is not: an answer that mixes allowed and refused addresses is an attempt to get around the policy."""
        if parse_address(host) is not None:
            self.check(host, port)
            return (host,)
        addresses = await self._lookups.addresses_of(host, within_seconds=within_seconds)
        if is_localhost(host):
            return self._permitted(addresses, port)
        for address in addresses:
            self.check(address, port)
        return addresses

    def _permitted(self, addresses: tuple[str, ...], port: int) -> tuple[str, ...]:
        """localhost is both loopbacks by definition and not by anybody's answer: the permitted one is enough."""
        refusals = {address: self._refusal(address, port) for address in addresses}
        permitted = tuple(address for address, refusal in refusals.items() if refusal is None)
        if not permitted:
            raise next(refusal for refusal in refusals.values() if refusal is not None)
        return permitted

    def check(self, address: str, port: int) -> None:
        """Raises DestinationForbidden."""
        if refusal := self._refusal(address, port):
            raise refusal

    def _refusal(self, address: str, port: int) -> DestinationForbidden | None:
        parsed = parse_address(address)
        if parsed is None:
            return DestinationForbidden(f"{address!r} is not an address.")
        try:
            judge(parsed, port, self._scheme, self._policy)
        except DestinationForbidden as refusal:
            return refusal
        return None

    def open_socket(self, address: str, port: int) -> socket.socket:
        """The socket for one connect, judged once more, here where nothing lies between the verdict and the dial."""
        self.check(address, port)
        opened = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        opened.setblocking(False)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return opened
