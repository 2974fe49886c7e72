from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.fakes.localai import FakeLocalAI

Names = dict[str, list[str]]


@pytest.fixture
def fake() -> Iterator[FakeLocalAI]:
    """A LocalAI of today with the two models of every quick start."""
    with FakeLocalAI() as server:
        yield server


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """What the name server knows: host -> addresses. Everything else does not exist."""
    known: Names = {}
    monkeypatch.setattr(socket, "getaddrinfo", _answering(known, socket.getaddrinfo))
    return known


def _answering(known: Names, real: Callable[..., Any]) -> Callable[..., Any]:
    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host in known:
            return [found for address in known[host] for found in real(address, port, *args, **kwargs)]
        if not isinstance(host, str) or host.replace(".", "").isdigit() or ":" in host:
            return real(host, port, *args, **kwargs)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    return getaddrinfo
