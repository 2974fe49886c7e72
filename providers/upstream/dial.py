"""Where connections are made: resolve, judge, connect, shake hands. Each step is timed and told in a trace."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Literal

from providers.errors import DestinationForbidden, UpstreamError
from providers.upstream.addresses import parse_address
from providers.upstream.faults import connect_fault, connect_timeout, dns_fault, tls_fault
from providers.upstream.gate import Gate
from providers.upstream.http1 import Connection

DNS_SECONDS: Final = 5.0
MAX_DIALLED: Final = 6  # addresses of one name
HEAD_START_SECONDS: Final = 0.25  # for each address before the next is dialled beside it (RFC 8305)

ConnectStep = Literal["policy", "dns", "connect", "tls"]
Connected = tuple[socket.socket, str]  # and the address it is connected to


@dataclass
class ConnectTrace:
    """What became of one connect. A step that does not apply, or was not reached, has None milliseconds."""

    host: str = ""
    port: int = 0
    addresses: tuple[str, ...] = ()  # as the name resolved, or the literal itself
    peer: str | None = None  # the address that answered
    policy_ms: int | None = None
    dns_ms: int | None = None
    connect_ms: int | None = None
    tls_ms: int | None = None
    failed: ConnectStep | None = None
    error: UpstreamError | None = field(default=None, repr=False)

    def steps(self) -> list[tuple[ConnectStep, int]]:
        """The steps that were tried, in a validation's order, with their milliseconds; the last one may have failed."""
        timed: list[tuple[ConnectStep, int | None]] = [
            ("policy", self.policy_ms),
            ("dns", self.dns_ms),
            ("connect", self.connect_ms),
            ("tls", self.tls_ms),
        ]
        return [(step, elapsed_ms) for step, elapsed_ms in timed if elapsed_ms is not None]


@dataclass(frozen=True, slots=True)
class Place:
    """Where to dial, and what must be so there. `tls` None: plain http."""

    host: str
    port: int
    gate: Gate
    tls: ssl.SSLContext | None


async def dial(place: Place, trace: ConnectTrace, *, within_seconds: float) -> Connection:
    """A new connection to `place`. Raises DestinationForbidden, Unreachable or TimedOut("connect"); nothing was sent.

    `trace` tells every step, and holds the error too.
    """
    trace.host, trace.port = place.host, place.port
    try:
        async with asyncio.timeout(within_seconds):
            await _resolve(place, trace, within_seconds)
            opened = await _connect(place, trace)
            return await _shake_hands(place, trace, opened)
    except TimeoutError:
        trace.error = connect_timeout(place.host, place.port, within_seconds)
    except UpstreamError as error:
        trace.error = error
    raise trace.error


async def _resolve(place: Place, trace: ConnectTrace, within_seconds: float) -> None:
    """The policy judges addresses, so that the name is resolved for it; a refusal is the policy's, whoever resolved."""
    started = time.monotonic()
    patience = min(DNS_SECONDS, within_seconds * 0.8)  # before the connect's own limit, which would blame the network
    is_name = parse_address(place.host) is None
    trace.failed = "policy"
    try:
        trace.addresses = await place.gate.addresses_of(place.host, place.port, within_seconds=patience)
    except DestinationForbidden:
        trace.policy_ms = _ms_since(started)
        raise
    except OSError as fault:
        trace.failed = "dns"
        raise dns_fault(fault, place.host) from None
    finally:
        if trace.policy_ms is None:
            trace.policy_ms = 0 if is_name else _ms_since(started)
            trace.dns_ms = _ms_since(started) if is_name else None
    trace.failed = None


async def _connect(place: Place, trace: ConnectTrace) -> socket.socket:
    with _timed(trace, "connect"):
        addresses = trace.addresses[:MAX_DIALLED]
        try:
            if len(addresses) == 1:
                opened, trace.peer = await _connect_to(place, addresses[0])
            else:
                opened, trace.peer = await _first_of(place, addresses)
        except OSError as fault:
            _pass_on_timeout(fault)
            raise connect_fault(fault, place.host, place.port) from None
        return opened


async def _connect_to(place: Place, address: str) -> Connected:
    opened = place.gate.open_socket(address, place.port)
    try:
        await asyncio.get_running_loop().sock_connect(opened, (address, place.port))
    except BaseException:
        opened.close()
        raise
    return opened, address


async def _first_of(place: Place, addresses: tuple[str, ...]) -> Connected:
    """The first connection that stands; each address is dialled when the ones before it have failed or hesitate.

    Raises the OSError of the first address, the resolver's favourite.
    """
    tries: list[asyncio.Task[Connected]] = []
    try:
        for address in addresses:
            tries.append(asyncio.create_task(_connect_to(place, address)))
            if winner := await _next_winner(tries, HEAD_START_SECONDS):
                return winner.result()
        while not all(one.done() for one in tries):
            if winner := await _next_winner(tries, None):
                return winner.result()
        return tries[0].result()
    finally:
        await _call_off(tries)


async def _next_winner(tries: list[asyncio.Task[Connected]], seconds: float | None) -> asyncio.Task[Connected] | None:
    """Wait for the next try to end; the one that stands, if any does by then."""
    await asyncio.wait([one for one in tries if not one.done()], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    return _winner(tries)


def _winner(tries: list[asyncio.Task[Connected]]) -> asyncio.Task[Connected] | None:
    return next((one for one in tries if one.done() and not one.cancelled() and one.exception() is None), None)


async def _call_off(tries: list[asyncio.Task[Connected]]) -> None:
    """Close what came second."""
    winner = _winner(tries)
    for one in tries:
        one.cancel()
    for one, ended in zip(tries, await asyncio.gather(*tries, return_exceptions=True), strict=True):
        if one is not winner and not isinstance(ended, BaseException):
            ended[0].close()


async def _shake_hands(place: Place, trace: ConnectTrace, opened: socket.socket) -> Connection:
    """Hand the socket to the event loop, through TLS where the scheme asks for it."""
    loop = asyncio.get_running_loop()
    made = Connection(loop)
    try:
        if place.tls is None:
            await loop.create_connection(lambda: made, sock=opened)
        else:
            with _timed(trace, "tls"):
                await loop.create_connection(lambda: made, sock=opened, ssl=place.tls, server_hostname=place.host)
    except OSError as fault:
        opened.close()
        _pass_on_timeout(fault)
        raise (tls_fault if place.tls else connect_fault)(fault, place.host, place.port) from None
    except BaseException:
        opened.close()
        raise
    return made


def _pass_on_timeout(fault: OSError) -> None:
    """A TimeoutError without a number is our own clock's, not the network's."""
    if isinstance(fault, TimeoutError) and fault.errno is None:
        raise fault


@contextlib.contextmanager
def _timed(trace: ConnectTrace, step: Literal["connect", "tls"]) -> Iterator[None]:
    started = time.monotonic()
    trace.failed = step  # until it has passed
    try:
        yield
        trace.failed = None
    finally:
        setattr(trace, f"{step}_ms", _ms_since(started))


def _ms_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


@lru_cache(maxsize=2)
def tls_context(verify: bool) -> ssl.SSLContext:
    """The shared context; making one blocks for 20 ms. It trusts what OpenSSL trusts: SSL_CERT_FILE can say what."""
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context
