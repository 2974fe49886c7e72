"""Where the platform itself listens: its database, its Redis, its own API. No tenant's call ever goes there."""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

import structlog
from django.conf import settings

from providers.upstream.egress import AllowedRange

FRESH_SECONDS = 60.0
RETRY_SECONDS = 5.0
_DEFAULT_PORTS = {"http": 80, "https": 443, "redis": 6379, "rediss": 6379, "postgresql": 5432}

log = structlog.get_logger(__name__)


class _Part(NamedTuple):
    addresses: tuple[str, ...]
    ask_again_at: float  # monotonic


_known: dict[tuple[str, int], _Part] = {}


def own_addresses() -> tuple[AllowedRange, ...]:
    """Addresses and ports of our own parts, as they were resolved of late. A part behind a Unix socket has none."""
    return tuple(
        AllowedRange(ipaddress.ip_network(address), port, port)
        for host, port in dict.fromkeys(_parts())
        for address in _addresses_of(host, port)
    )


def forget() -> None:
    """Ask anew for all of them."""
    _known.clear()


def _parts() -> Iterator[tuple[str, int]]:
    for url in (settings.REDIS_URL, settings.CELERY_BROKER_URL, settings.PUBLIC_URL):
        split = urlsplit(url)
        if split.hostname and split.scheme in _DEFAULT_PORTS:
            yield split.hostname, split.port or _DEFAULT_PORTS[split.scheme]
    database = settings.DATABASES["default"]
    if database.get("HOST") and not str(database["HOST"]).startswith("/"):
        yield str(database["HOST"]), int(database.get("PORT") or _DEFAULT_PORTS["postgresql"])


def _addresses_of(host: str, port: int) -> tuple[str, ...]:
    """A part may move, or not be known yet when this process starts: names are asked for again and again, and what
    was known stands until there is another answer."""
    known = _known.get((host, port))
    if known is None or time.monotonic() >= known.ask_again_at:
        found = _resolve(host, port)
        pause = FRESH_SECONDS if found else RETRY_SECONDS
        known = _known[host, port] = _Part(found or (known.addresses if known else ()), time.monotonic() + pause)
    return known.addresses


def _resolve(host: str, port: int) -> tuple[str, ...]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as fault:
        log.warning("own_address_unknown", host=host, error=str(fault))
        return ()
    return tuple(sorted({str(entry[4][0]).partition("%")[0] for entry in found}))
