"""Readers of a job's events: how soon the first delta comes, and whether all of many get the same bytes in time."""

from __future__ import annotations

import asyncio
import random
import re
import time
from dataclasses import dataclass, field

import aiohttp
from redis.asyncio import Redis as AsyncRedis

from benchmarks import client
from benchmarks.contenders import Contender
from benchmarks.event_floor import END, FIELD
from benchmarks.processes import cpu_seconds
from benchmarks.upstream import event

STAMP = re.compile(rb'"content": ?" \d+:(\d+)"')
IDLE_SECONDS = 0.05  # between two jobs: each finds the system at rest
SEED = 20261127
PLAIN = "plain-stream"


@dataclass
class Found:
    """`ms`: of each event after its reader joined, from the model server's chunk to the reader."""

    ms: list[float]
    different: int  # readers whose bytes were not those of the others
    cpu_percent: float


@dataclass
class Reader:
    after: str | None = None
    joined_ns: int = 0
    pieces: list[tuple[int, bytes]] = field(default_factory=list)

    async def read(self, http: aiohttp.ClientSession, web: Contender, events_url: str) -> None:
        self.joined_ns = time.monotonic_ns()
        headers = {**web.headers, **({"Last-Event-ID": self.after} if self.after else {})}
        async with http.get(web.url + events_url, headers=headers) as answer:
            answer.raise_for_status()
            async for piece in answer.content.iter_any():
                self.pieces.append((time.monotonic_ns(), piece))

    def events(self) -> list[bytes]:
        """The recorded ones, which carry an id."""
        whole = b"".join(piece for _, piece in self.pieces)
        return [event for event in whole.split(b"\n\n") if event.startswith(b"id:")]

    def ms(self) -> list[float]:
        return [
            (at - int(stamp)) / 1e6
            for at, piece in self.pieces
            for stamp in STAMP.findall(piece)
            if int(stamp) > self.joined_ns
        ]


async def first_deltas_ms(web: Contender, body: dict[str, object], count: int) -> list[float]:
    """From each submit to the first delta of its events, read on the same connection."""
    found = []
    async with client.session(connections=1) as http:
        for _ in range(count):
            await asyncio.sleep(IDLE_SECONDS)
            began = time.perf_counter()
            async with http.post(web.url + client.JOBS_PATH, json=body, headers=web.headers) as answer:
                job = await answer.json()
            async with http.get(web.url + events_path(job), headers=web.headers) as answer:
                found.append((await _first_delta_at(answer) - began) * 1000)
                await answer.read()
    return found


async def _first_delta_at(answer: aiohttp.ClientResponse) -> float:
    seen = b""
    async for piece in answer.content.iter_any():
        seen += piece
        if b"event: delta" in seen:
            return time.perf_counter()
    raise RuntimeError(f"No delta came: {seen.decode()}")


def events_path(job: dict[str, str]) -> str:
    return f"{client.JOBS_PATH}/{job['id']}/events"


async def many(web: Contender, body: dict[str, object], count: int, chunks: int) -> Found:
    """One reader from the start; the others join at random moments of the first half, at random places before."""
    chance = random.Random(SEED)
    async with client.session() as http:
        async with http.post(web.url + client.JOBS_PATH, json=body, headers=web.headers) as answer:
            path = events_path(await answer.json())
        first = Reader()
        reading = [asyncio.create_task(first.read(http, web, path))]
        others: list[Reader] = []
        while len(first.events()) < chunks // 2:
            await asyncio.sleep(0.05)
            due = count * len(first.events()) // (chunks // 2) - len(others) - 1
            for _ in range(max(0, min(due, count - 1 - len(others)))):
                others.append(Reader(_some_id(first, chance)))
                reading.append(asyncio.create_task(others[-1].read(http, web, path)))
        cpu, began = cpu_seconds(web.pid), time.monotonic()
        await asyncio.gather(*reading)
        cpu_percent = 100 * (cpu_seconds(web.pid) - cpu) / (time.monotonic() - began)
    return Found(
        ms=[each for reader in (first, *others) for each in reader.ms()],
        different=sum(_differs(reader, first.events()) for reader in others) + (len(others) != count - 1),
        cpu_percent=cpu_percent,
    )


async def of_a_plain_stream(floor: Contender, stream: AsyncRedis, count: int, chunks: int, pace_ms: int) -> float:
    """The same readers at the floor, all from the start; the part of a core that it takes for them, in percent."""
    everyone = [Reader() for _ in range(count)]
    async with client.session() as http:
        reading = [asyncio.create_task(reader.read(http, floor, f"/{PLAIN}")) for reader in everyone]
        await asyncio.sleep(1)
        cpu, began = cpu_seconds(floor.pid), time.monotonic()
        for number in range(chunks):
            await stream.xadd(PLAIN, {FIELD: event({"content": f" {number}:{time.monotonic_ns()}"}, None)[6:-2]})
            await asyncio.sleep(max(0.0, began + (number + 1) * pace_ms / 1000 - time.monotonic()))
        percent = 100 * (cpu_seconds(floor.pid) - cpu) / (time.monotonic() - began)
        await stream.xadd(PLAIN, {FIELD: END})
        await asyncio.gather(*reading)
    assert all(len(reader.events()) == chunks for reader in everyone)
    return percent


def _some_id(first: Reader, chance: random.Random) -> str | None:
    events = first.events()
    chosen = chance.randrange(-1, len(events))
    return events[chosen].split(b"\n")[0].removeprefix(b"id: ").decode() if chosen >= 0 else None


def _differs(reader: Reader, all_events: list[bytes]) -> bool:
    start = 0
    if reader.after:
        start = 1 + next(at for at, event in enumerate(all_events) if _has_id(event, reader.after))
    return reader.events() != all_events[start:]


def _has_id(event: bytes, wanted: str) -> bool:
    return event.split(b"\n")[0] == b"id: " + wanted.encode()
