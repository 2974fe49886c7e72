"""How long a chunk takes from the model server to Redis, where one worker holds many streams. Prints JSON.

python -m benchmarks.chunk_probe WEB_URL KEY WORKER_PID STREAMS CHUNKS PACE_MS

Runs with the environment of the installation, since what lies in Redis is sealed. It reads as a follower would, notes
when each entry came, and opens them when all is over.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from benchmarks import client
from benchmarks.contenders import OURS, Contender
from benchmarks.processes import cpu_seconds
from benchmarks.readers import STAMP
from providers.jobs.event_log import END_NUMBER, SEALED_FIELD, place, position_of, stream_key, unpack
from providers.redis import blocking_redis
from tenants.models import Tenant
from tenants.sealing import Box

ENTRIES_AT_ONCE = 100
BLOCK_MS = 2000
QUIET_ROUNDS = 5  # reads of nothing before it gives up on streams that do not end
LOOK_SECONDS = 0.1  # at the worker's CPU


class Chunk(NamedTuple):
    stream: bytes
    sent_ns: int
    came_ns: int


@dataclass
class Probe:
    """`came`: when, from which stream, and what."""

    streams: dict[bytes, UUID]
    came: list[tuple[int, bytes, bytes]] = field(default_factory=list)

    async def read_all(self) -> None:
        places = dict.fromkeys(self.streams, b"0-0")
        quiet = 0
        while places and quiet < QUIET_ROUNDS:
            answer = await blocking_redis().xread(places, count=ENTRIES_AT_ONCE, block=BLOCK_MS)
            now = time.monotonic_ns()
            pairs = [(name, found[0]) for name, found in answer.items()] if isinstance(answer, dict) else answer or ()
            quiet = 0 if pairs else quiet + 1
            for stream, entries in pairs:
                self.came += [(now, stream, fields[SEALED_FIELD]) for _, fields in entries]
                places[stream] = entries[-1][0]
                if position_of(entries[-1][0]).number == END_NUMBER:
                    del places[stream]

    def chunks(self, tenant_id: UUID) -> list[Chunk]:
        boxes = {name: Box(place(tenant_id, job_id)) for name, job_id in self.streams.items()}
        return [
            Chunk(stream, int(stamp), at)
            for at, stream, blob in self.came
            for event in unpack(boxes[stream].open(blob))
            for stamp in STAMP.findall(event.data)
        ]


async def watch_cpu(pid: int) -> list[tuple[int, float]]:
    """When, and how much by then, until the probe is done."""
    seen = []
    with suppress(asyncio.CancelledError):
        while True:
            seen.append((time.monotonic_ns(), cpu_seconds(pid)))
            await asyncio.sleep(LOOK_SECONDS)
    return seen


async def watch(
    web: Contender, worker: int, streams: int, chunks: int, pace_ms: int
) -> tuple[Probe, list[tuple[int, float]]]:
    watching = asyncio.create_task(watch_cpu(worker))
    ids = await client.submit(web, client.job(f"[chunks={chunks} pace_ms={pace_ms}]"), streams)
    probe = Probe({stream_key(UUID(each)).encode(): UUID(each) for each in ids})
    await probe.read_all()
    watching.cancel()
    return probe, await watching


def while_all_run(chunks: list[Chunk]) -> tuple[int, int]:
    """From when the last stream has begun to when the first one ends."""
    sent: dict[bytes, list[int]] = {}
    for chunk in chunks:
        sent.setdefault(chunk.stream, []).append(chunk.sent_ns)
    return max(map(min, sent.values())), min(map(max, sent.values()))


def percent_of_a_core(seen: list[tuple[int, float]], begin: int, end: int) -> float:
    inside = [(at, used) for at, used in seen if begin <= at <= end]
    (first_at, first), (last_at, last) = inside[0], inside[-1]
    return 100 * (last - first) / ((last_at - first_at) / 1e9)


def main(url: str, key: str, worker: int, streams: int, chunks: int, pace_ms: int) -> None:
    probe, seen = client.wait_for(watch(Contender(OURS, url, key, 0), worker, streams, chunks, pace_ms))
    found = probe.chunks(Tenant.objects.get(slug="acme").id)
    begin, end = while_all_run(found)
    ms = [(chunk.came_ns - chunk.sent_ns) / 1e6 for chunk in found if begin <= chunk.sent_ns <= end]
    percent = percent_of_a_core(seen, begin, end)
    print(json.dumps({"ms": ms, "lost": streams * chunks - len(found), "cpu_percent": percent}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
