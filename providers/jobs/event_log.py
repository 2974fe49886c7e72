"""The events of a job as they lie in Redis: one stream per job, each entry a sealed batch of events.

An entry's id is ours, not the clock's: `<lease token>-<number of its first event>`. Redis refuses an id that is not
above the last one, so an attempt that lost its lease cannot write behind the one that took over, a batch that was sent
twice lands once, and a reader sees by the numbers where events are missing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple
from uuid import UUID

from providers.redis import key
from tenants.sealing import Context

Kind = Literal["status", "delta", "restart", "end"]

_LETTERS: Final[dict[Kind, bytes]] = {"status": b"s", "delta": b"d", "restart": b"r", "end": b"e"}
_KINDS: Final[dict[bytes, Kind]] = {letter: kind for kind, letter in _LETTERS.items()}
_EVENT_HEAD: Final = struct.Struct(">cI")

ATTEMPT_FIELD, SEALED_FIELD = b"a", b"e"
END_NUMBER: Final = 2**62  # above every number that an attempt gives to an event
MOST_ENTRIES: Final = 10_000  # of one stream; older ones are trimmed, and their readers get `gap`


class Event(NamedTuple):
    kind: Kind
    data: bytes


class Position(NamedTuple):
    """Where an event stands: events of one job are ordered by it."""

    token: int
    number: int


@dataclass(frozen=True, slots=True)
class Cursor:
    """What `id:` carries: opaque to clients, who send it back as `Last-Event-ID`."""

    attempt: int
    position: Position

    def __str__(self) -> str:
        return f"{self.attempt}-{self.position.token}-{self.position.number}"

    @property
    def is_end(self) -> bool:
        return self.position.number == END_NUMBER

    @classmethod
    def parse(cls, text: str) -> Cursor | None:
        """None for anything that is not one of ours."""
        parts = text.split("-")
        if len(parts) != 3 or len(text) > 64 or not all(part.isascii() and part.isdigit() for part in parts):
            return None
        attempt, token, number = map(int, parts)
        return cls(attempt, Position(token, number)) if token >= 1 and number <= END_NUMBER else None


def stream_key(job_id: UUID) -> str:
    return key("job", job_id, "events")


def place(tenant_id: UUID, job_id: UUID) -> Context:
    """What the frames of a job are sealed to."""
    return Context(tenant_id, "providers_job", job_id, "frames")


def entry_id(position: Position) -> str:
    return f"{position.token}-{position.number}"


def position_of(redis_id: bytes) -> Position:
    token, _, number = redis_id.partition(b"-")
    return Position(int(token), int(number))


def pack(events: Iterable[Event]) -> bytes:
    return b"".join(part for kind, data in events for part in (_EVENT_HEAD.pack(_LETTERS[kind], len(data)), data))


def unpack(batch: bytes) -> Iterator[Event]:
    at = 0
    while at < len(batch):
        letter, length = _EVENT_HEAD.unpack_from(batch, at)
        at += _EVENT_HEAD.size
        yield Event(_KINDS[letter], batch[at : at + length])
        at += length


def encode(name: str, data: bytes, cursor: Cursor | None = None) -> bytes:
    """One server-sent event, the same bytes for every reader."""
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\ndata: ")
    head = f"id: {cursor}\n" if cursor else ""
    return b"%sevent: %s\ndata: %s\n\n" % (head.encode(), name.encode(), lines)
