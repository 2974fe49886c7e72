"""One task per process and fifty streams that follows them for all readers: each entry is read and opened once.

A job is loaded when its first reader comes and forgotten when the last one leaves. What Redis does not tell (it was
restarted empty, or the worker died between the commit and its last entry) the row does: it is looked at every two
seconds, and when it is final and no end has come, readers get `gap` and `done`.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final
from uuid import UUID
from weakref import WeakKeyDictionary

import orjson
import structlog
from django.db import InterfaceError, OperationalError

from providers.jobs import queue
from providers.jobs.event_log import ATTEMPT_FIELD, SEALED_FIELD, encode, place, position_of, stream_key, unpack
from providers.jobs.facts import done_event
from providers.jobs.transcript import Transcript
from providers.models import Job
from providers.redis import REDIS_DOWN, RedisError, async_redis, blocking_redis, key
from providers.worker_loop import spawn
from tenants.in_db import in_db
from tenants.sealing import Box, Undecryptable

STREAMS_PER_SHARD: Final = 50
ENTRIES_AT_ONCE: Final = 200  # of one stream in one answer
BLOCK_MS: Final = 10_000
LOOK_SECONDS: Final = 2.0  # between looks at the rows
PAUSE_SECONDS: Final = 0.5  # while Redis is away
CONTROL_SECONDS: Final = 60

log = structlog.get_logger(__name__)

_followers: WeakKeyDictionary[asyncio.AbstractEventLoop, Follower] = WeakKeyDictionary()


class _Followed:
    def __init__(self, tenant_id: UUID, job_id: UUID) -> None:
        self.tenant_id = tenant_id
        self.job_id = job_id
        self.stream = stream_key(job_id).encode()
        self.transcript = Transcript()
        self.last_id = b"0-0"
        self.readers = 0
        self.was_final = False  # at the last look; no end had come by then
        self.end_came = False
        self.box: Box | None = None
        self.loading: asyncio.Task[None] | None = None


def follower() -> Follower:
    """The running loop's."""
    return _followers.setdefault(asyncio.get_running_loop(), Follower())


class Follower:
    def __init__(self) -> None:
        self._followed: dict[UUID, _Followed] = {}
        self._shards: list[_Shard] = []
        self._watch: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def following(
        self, tenant_id: UUID, job_id: UUID, *, is_final: bool, is_erased: bool = False
    ) -> AsyncIterator[Transcript]:
        """The transcript of a job, kept up to date inside the block.

        `is_final`: its row had ended for a while. `is_erased`: nothing of its stream is shown, should it be there.
        """
        followed = self._followed.setdefault(job_id, _Followed(tenant_id, job_id))
        followed.readers += 1
        try:
            if followed.loading is None:
                followed.loading = spawn(self._load(followed, is_final, is_erased), name="job_load")
            await asyncio.shield(followed.loading)
            yield followed.transcript
        finally:
            followed.readers -= 1
            if not followed.readers:
                self._forget(followed)

    async def _load(self, followed: _Followed, is_final: bool, is_erased: bool) -> None:
        """Read what is there; follow on where the job goes on."""
        if is_erased:
            await _finish(followed, lost=True)
            self._look_at_rows()  # the next look finishes it where the database was away
            return
        followed.box = await in_db(Box, place(followed.tenant_id, followed.job_id))
        with suppress(RedisError, *REDIS_DOWN):
            entries: Any = await async_redis().xrange(followed.stream)
            await _take_in(followed, entries)
        if is_final and not followed.transcript.ended:
            await _finish(followed, lost=True)
        if not followed.transcript.ended:
            self._follow(followed)

    def _follow(self, followed: _Followed) -> None:
        shard = next((each for each in self._shards if each.has_room), None)
        if shard is None:
            shard = _Shard()
            self._shards.append(shard)
        shard.add(followed)
        self._look_at_rows()

    def _look_at_rows(self) -> None:
        if self._watch is None or self._watch.done():
            self._watch = spawn(self._watch_rows(), name="job_rows")

    def _forget(self, followed: _Followed) -> None:
        if self._followed.get(followed.job_id) is followed:
            del self._followed[followed.job_id]
        if followed.loading is not None:
            followed.loading.cancel()
        for shard in self._shards:
            shard.remove(followed)
        self._shards = [shard for shard in self._shards if shard.is_used]

    async def _watch_rows(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            open_ones = [each for each in self._followed.values() if not each.transcript.ended]
            if not open_ones:
                self._watch = None
                return
            try:
                states, places = await in_db(_look, [(each.tenant_id, each.job_id) for each in open_ones])
            except (OperationalError, InterfaceError) as error:
                log.warning("job_rows_unseen", error=type(error).__name__)
                continue
            for each in open_ones:
                await self._compare(each, states.get(each.job_id), places.get(each.job_id))

    async def _compare(self, followed: _Followed, state: str | None, at: dict[str, Any] | None) -> None:
        if at is not None and state == Job.State.QUEUED:
            body = {"state": "queued", "attempt": at.pop("attempt"), "queue": at}
            followed.transcript.move(encode("status", orjson.dumps(body)))
        is_final = state is None or state in Job.TERMINAL
        if is_final and (followed.was_final or followed.end_came):
            await _finish(followed, lost=not followed.end_came)
        followed.was_final = is_final


class _Shard:
    """Up to fifty streams in one blocking read. An entry in its control stream wakes it for a new one."""

    def __init__(self) -> None:
        self._streams: dict[bytes, _Followed] = {}
        self._control = key("follow", secrets.token_hex(8)).encode()
        self._control_id = b"0-0"
        self._task: asyncio.Task[None] | None = None

    @property
    def has_room(self) -> bool:
        return len(self._streams) < STREAMS_PER_SHARD

    @property
    def is_used(self) -> bool:
        return bool(self._streams)

    def add(self, followed: _Followed) -> None:
        self._streams[followed.stream] = followed
        if self._task is None or self._task.done():
            self._task = spawn(self._read_all(), name="job_follower")
        else:
            spawn(self._wake(), name="job_follower_wake")

    def remove(self, followed: _Followed) -> None:
        self._streams.pop(followed.stream, None)
        if not self._streams and self._task is not None:
            self._task.cancel()

    async def _wake(self) -> None:
        with suppress(RedisError, *REDIS_DOWN):
            pipeline = async_redis().pipeline(transaction=False)
            pipeline.xadd(self._control, {b"w": b""}, maxlen=1, approximate=False)
            pipeline.expire(self._control, CONTROL_SECONDS)
            await pipeline.execute()

    async def _read_all(self) -> None:
        while self._streams:
            places: dict[Any, Any] = {stream: followed.last_id for stream, followed in self._streams.items()}
            places[self._control] = self._control_id
            try:
                answers: Any = await blocking_redis().xread(places, count=ENTRIES_AT_ONCE, block=BLOCK_MS)
            except (RedisError, *REDIS_DOWN) as down:
                log.warning("job_streams_unread", error=type(down).__name__)
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            await self._take_all(_pairs(answers))

    async def _take_all(self, answers: Iterable[tuple[bytes, Sequence[Any]]]) -> None:
        for stream, entries in answers:
            if stream == self._control:
                self._control_id = entries[-1][0]
                continue
            followed = self._streams.get(stream)
            if followed is None:
                continue
            await _take_in(followed, entries)
            if followed.transcript.ended:
                self._streams.pop(stream, None)


def _pairs(answers: Any) -> Iterable[tuple[bytes, Sequence[Any]]]:
    """redis-py gives a list of pairs, or a dict of lists where the connection speaks RESP3."""
    if isinstance(answers, dict):
        return [(stream, entries[0]) for stream, entries in answers.items()]
    return [(stream, entries) for stream, entries in answers or ()]


async def _take_in(followed: _Followed, entries: Sequence[tuple[bytes, dict[bytes, bytes]]]) -> None:
    if not entries:
        return
    opened = await _opened(followed, [fields[SEALED_FIELD] for _, fields in entries])
    for (redis_id, fields), batch in zip(entries, opened, strict=False):
        attempt = int(fields[ATTEMPT_FIELD])
        if followed.transcript.take_in(position_of(redis_id), attempt, unpack(batch)):
            followed.end_came = True
            await _finish(followed, lost=False)
    followed.last_id = entries[-1][0]


async def _opened(followed: _Followed, blobs: list[bytes]) -> list[bytes]:
    box = followed.box
    assert box is not None
    try:
        if all(map(box.knows, blobs)):
            return [box.open(blob) for blob in blobs]
        return await in_db(lambda: [box.open(blob) for blob in blobs])  # a data key this box has not met
    except Undecryptable:
        log.error("job_frames_do_not_open", job=str(followed.job_id))
        return []


async def _finish(followed: _Followed, *, lost: bool) -> None:
    """Close the transcript with the row's own words; while the database is away, the next look does it."""
    try:
        done = await in_db(done_event, followed.tenant_id, followed.job_id)
    except (OperationalError, InterfaceError) as down:
        log.warning("job_end_unread", error=type(down).__name__)
        return
    if done is None:  # the row is gone, and its tenant with it
        followed.transcript.ended = True
        return
    at, text = done
    followed.transcript.close(text, at, lost=lost)


def _look(jobs: Sequence[tuple[UUID, UUID]]) -> tuple[dict[UUID, str], dict[UUID, dict[str, Any]]]:
    """The states of these jobs, and where the queued ones stand."""
    ids = [job_id for _, job_id in jobs]
    rows = list(Job.unscoped.filter(pk__in=ids).only("state", "endpoint", "attempt", "operation", "tenant_id"))
    queued = [row for row in rows if row.state == Job.State.QUEUED]
    places = queue.places_of(queued)
    return {row.pk: row.state for row in rows}, {
        row.pk: {**places[row.pk], "attempt": row.attempt} for row in queued if row.pk in places
    }
