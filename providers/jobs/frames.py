"""Write the events of all running attempts to Redis: one pipeline per process, the next one when the last returned.

No timer: an event that arrives alone goes out at once, a burst of 200 streams goes out as one round trip. Events of
one attempt that wait together become one sealed entry. While Redis is away entries wait, up to a bound; what does not
fit is dropped, and readers see by the numbers that something is missing. No attempt ever fails for its frames.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import structlog
from django.conf import settings
from prometheus_client import Counter

from providers.jobs.event_log import (
    ATTEMPT_FIELD,
    END_NUMBER,
    MOST_ENTRIES,
    SEALED_FIELD,
    Event,
    Kind,
    Position,
    entry_id,
    pack,
    stream_key,
)
from providers.redis import REDIS_DOWN, RedisError, ResponseError, exchange, packed
from providers.worker_loop import spawn
from tenants.sealing import Box

MOST_UNSENT_BYTES: Final = 64 * 1024 * 1024  # of one process, while Redis is away
ENTRY_BYTES: Final = 256 * 1024  # about; what waits beyond it goes into a further entry
PAUSE_SECONDS: Final = 0.2  # between tries while Redis is away
_ANY: Final = b"$%d\r\n%b\r\n"  # a word that each entry has its own of


def _word(word: bytes) -> bytes:
    return _ANY % (len(word), word)


# As Redis reads it: put together word by word for each entry it would take several times as long.
_BOUND: Final = _word(b"MAXLEN") + _word(b"~") + _word(b"%d" % MOST_ENTRIES)
_ADD: Final = (
    b"*10\r\n" + _word(b"XADD") + _ANY + _BOUND + _ANY + _word(ATTEMPT_FIELD) + _ANY + _word(SEALED_FIELD) + _ANY
)

log = structlog.get_logger(__name__)
dropped = Counter("modelyard_job_events_dropped", "Events of jobs that Redis did not take; their readers get `gap`")


@dataclass(frozen=True, slots=True)
class Entry:
    """What one XADD takes, sealed. `expiry_seconds`: the stream's new time to live, where it changes."""

    key: str
    position: Position
    attempt: int
    blob: bytes
    events: int
    expiry_seconds: int | None

    @property
    def is_end(self) -> bool:
        return self.position.number == END_NUMBER

    def commands(self) -> list[bytes]:
        """Packed, for `exchange`."""
        name = self.key.encode()
        place, attempt = entry_id(self.position).encode(), b"%d" % self.attempt
        add = _ADD % (len(name), name, len(place), place, len(attempt), attempt, len(self.blob), self.blob)
        if self.expiry_seconds is None:
            return [add]
        return [add, packed(b"EXPIRE", name, b"%d" % self.expiry_seconds)]


class Lane:
    """The events of one attempt, in order; `add` never waits. Made by `FrameWriter.open`."""

    def __init__(
        self, writer: FrameWriter, *, job_id: UUID, attempt: int, token: int, box: Box, expiry_seconds: int
    ) -> None:
        self._writer = writer
        self._key = stream_key(job_id)
        self._attempt = attempt
        self._token = token
        self._box = box
        self._expiry_seconds: int | None = expiry_seconds
        self._waiting: list[Event] = []
        self._number = 0  # of the first event that waits

    def add(self, kind: Kind, data: bytes) -> None:
        self._waiting.append(Event(kind, data))
        self._writer.notice(self)

    def add_deltas(self, texts: Iterable[bytes]) -> None:
        """Those that came before an error in `texts` are kept."""
        self._writer.notice(self)
        for text in texts:
            self._waiting.append(Event("delta", text))

    def end(self) -> None:
        """Say that the row is final: readers are sent there for `done`."""
        self.add("end", b"")

    def take(self) -> Iterator[Entry]:
        """What waits, as entries."""
        events, self._waiting = self._waiting, []
        if events and events[-1].kind == "end":
            self._expiry_seconds = None  # the end sets its own
        batch: list[Event] = []
        size = 0
        for event in events:
            if event.kind == "end" or size > ENTRY_BYTES:
                yield from self._entry(batch)
                batch, size = [], 0
            if event.kind == "end":
                yield end_entry(self._key, self._token, self._attempt, self._box, count=self._number)
                return
            batch.append(event)
            size += len(event.data)
        yield from self._entry(batch)

    def _entry(self, batch: Sequence[Event]) -> Iterator[Entry]:
        if not batch:
            return
        position = Position(self._token, self._number)
        expiry, self._expiry_seconds = self._expiry_seconds, None
        self._number += len(batch)
        yield Entry(self._key, position, self._attempt, self._box.seal(pack(batch)), len(batch), expiry)


def end_entry(key: str, token: int, attempt: int, box: Box, *, count: int) -> Entry:
    """The last entry of a stream. `count`: how many events this token wrote, so that readers know they have all."""
    blob = box.seal(pack([Event("end", str(count).encode())]))
    return Entry(key, Position(token, END_NUMBER), attempt, blob, 1, settings.JOB_STREAM_SECONDS)


class FrameWriter:
    """One per worker loop."""

    def __init__(self) -> None:
        self._lanes: dict[Lane, None] = {}  # those with events waiting, in order
        self._unsent: list[Entry] = []
        self._writing: asyncio.Task[None] | None = None

    def open(self, job_id: UUID, *, attempt: int, token: int, box: Box, seconds_left: float) -> Lane:
        expiry_seconds = max(0, int(seconds_left)) + settings.JOB_STREAM_SECONDS
        return Lane(self, job_id=job_id, attempt=attempt, token=token, box=box, expiry_seconds=expiry_seconds)

    def notice(self, lane: Lane) -> None:
        self._lanes[lane] = None
        if self._writing is None:
            self._writing = spawn(self._write_all(), name="job_frames")

    async def drain(self, within_seconds: float) -> None:
        """Give what waits a last chance, before the loop ends."""
        if self._writing is not None:
            await asyncio.wait({self._writing}, timeout=within_seconds)

    async def _write_all(self) -> None:
        try:
            while self._lanes or self._unsent:
                await self._write_once()
        finally:
            self._writing = None

    async def _write_once(self) -> None:
        lanes, self._lanes = self._lanes, {}
        entries = self._unsent + [entry for lane in lanes for entry in lane.take()]
        self._unsent = []
        try:
            replies = await exchange([command for entry in entries for command in entry.commands()])
        except (RedisError, *REDIS_DOWN) as down:
            log.warning("job_frames_wait", error=type(down).__name__, entries=len(entries))
            self._unsent = _bounded(entries)
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            judge(entries, replies)


def _bounded(entries: list[Entry]) -> list[Entry]:
    """The newest that fit, and every end."""
    room = MOST_UNSENT_BYTES
    kept = []
    for entry in reversed(entries):
        room -= len(entry.blob)
        if room >= 0 or entry.is_end:
            kept.append(entry)
        else:
            dropped.inc(entry.events)
    kept.reverse()
    return kept


def judge(entries: Sequence[Entry], answers: Sequence[Any]) -> None:
    """Count what Redis did not take."""
    at = 0
    for entry in entries:
        answer = answers[at]
        at += 1 if entry.expiry_seconds is None else 2
        if not isinstance(answer, ResponseError):
            continue
        if "equal or smaller" in str(answer):  # sent twice, or another attempt has taken over: the lease will tell
            continue
        dropped.inc(entry.events)  # such as OOM: Redis is full
        log.warning("job_frames_refused", error=str(answer)[:80])
