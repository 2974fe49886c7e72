"""An asyncio client where wrk will not do: whether frames are whole and in order, when they came, and leaving early."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

import aiohttp
import uvloop

from benchmarks.contenders import Contender

R = TypeVar("R")

JOBS_PATH = "/api/v1/tenants/acme/jobs"
SUBMITS_AT_ONCE = 32


def wait_for(coro: Coroutine[Any, Any, R]) -> R:
    """Without the client's own pauses for garbage: they would look like the server's."""
    gc.collect()
    gc.disable()
    try:
        return uvloop.run(coro)
    finally:
        gc.enable()


def session(*, connections: int = 0, keep: bool = True) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=connections, force_close=not keep)
    return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=120))


async def lines_of(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The `data:` lines of a stream, each as soon as it is there."""
    rest = b""
    async for piece in answer.content.iter_any():
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"data: "):
                yield line[6:]


def content_of(line: bytes) -> str:
    if line == b"[DONE]":
        return ""
    choices = json.loads(line).get("choices") or [{}]
    return choices[0].get("delta", {}).get("content") or ""


async def faulty_streams(contender: Contender, body: dict[str, object], chunks: int, count: int) -> int:
    """How many of `count` streams, sixteen at once, came with a frame lost, doubled or out of order."""
    expected = "".join(f" word{number}" for number in range(chunks))
    left = iter(range(count))

    async def reader(http: aiohttp.ClientSession) -> int:
        faults = 0
        for _ in left:
            async with http.post(contender.chat_url, json=body, headers=contender.headers) as answer:
                lines = [line async for line in lines_of(answer)]
            faults += "".join(map(content_of, lines)) != expected
        return faults

    async with session() as http:
        return sum(await asyncio.gather(*(reader(http) for _ in range(16))))


async def first_token_ms(contender: Contender, body: dict[str, object], count: int) -> list[float]:
    """From the request, each on a new connection, to the first content."""
    found = []
    async with session(keep=False) as http:
        for _ in range(count):
            began = time.perf_counter()
            async with http.post(contender.chat_url, json=body, headers=contender.headers) as answer:
                async for line in lines_of(answer):
                    if content_of(line):
                        found.append((time.perf_counter() - began) * 1000)
                        break
                answer.close()
    return found


def job(wanted: str) -> dict[str, object]:
    messages = [{"role": "user", "content": f"Why is the sky blue? {wanted}"}]
    return {"model": "gpt-3.5-turbo", "operation": "chat.completions", "input": {"messages": messages}}


async def submit(web: Contender, body: dict[str, object], count: int) -> list[str]:
    """So many jobs; their ids."""
    left = iter(range(count))

    async def submitter(http: aiohttp.ClientSession) -> list[str]:
        ids = []
        for _ in left:
            async with http.post(web.url + JOBS_PATH, json=body, headers=web.headers) as answer:
                answer.raise_for_status()
                ids.append((await answer.json())["id"])
        return ids

    async with session() as http:
        found = await asyncio.gather(*(submitter(http) for _ in range(SUBMITS_AT_ONCE)))
    return [each for ids in found for each in ids]


async def calls(upstream_url: str) -> int:
    """How many calls the model server has answered."""
    async with session() as http, http.get(upstream_url + "/calls") as answer:
        return int((await answer.json())["calls"])
