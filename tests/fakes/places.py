"""Addresses where things are not as they should be."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_held: list[socket.socket] = []


def closed_port() -> int:
    """A port of loopback where nothing listens: it stays ours, so that no other process comes to listen there."""
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    _held.append(holder)
    return int(holder.getsockname()[1])


@contextmanager
def silent_port() -> Iterator[int]:
    """A port whose queue of unaccepted connections is full: the kernel drops what comes, as a firewall would."""
    with ExitStack() as opened:
        listener = opened.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        place = listener.getsockname()
        fillers = [opened.enter_context(socket.socket()) for _ in range(8)]
        for filler in fillers:  # all knock before anybody else does: whoever gets in fills the queue
            filler.setblocking(False)
            filler.connect_ex(place)
        assert select.select([], fillers, [], 30)[1], "nobody got into the queue"
        yield int(place[1])
