"""Tenants as clients: they submit, follow and cancel over HTTP, retry as told, and write down what they were told."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.chaos.history import History
from tests.chaos.upstream import Prompt

GIVE_UP_SECONDS = 120.0
RETRY_SECONDS = 0.3
QUIET_SECONDS = 30.0  # a stream says something at least every 15
TOO_EARLY = (429, 503)


@dataclass(frozen=True)
class SentEvent:
    id: str | None
    name: str
    data: Any


@dataclass
class Reading:
    """What one reader has who discards at each restart."""

    text: str = ""
    names: list[str] = field(default_factory=list)
    last_id: str | None = None
    done: dict[str, Any] | None = None
    connections: int = 0

    def take(self, event: SentEvent) -> None:
        self.names.append(event.name)
        self.last_id = event.id or self.last_id
        if event.name == "restart":
            self.text = ""
        elif event.name == "delta":
            self.text += "".join(choice["delta"].get("content") or "" for choice in event.data["choices"])
        elif event.name == "done":
            self.done = event.data


class Caller:
    """One tenant with its key. `marker` is what the upstream's answers to it carry."""

    def __init__(
        self, url: str, slug: str, key: str, provider_id: str, marker: str, history: History, session: Any
    ) -> None:
        self.slug, self.provider_id, self.marker, self.history = slug, provider_id, marker, history
        self.url = url
        self.tenant_url = f"{url}/api/v1/tenants/{slug}"
        self.jobs_url = f"{self.tenant_url}/jobs"
        self.headers = {"Authorization": f"Bearer {key}"}
        self._session: aiohttp.ClientSession = session

    async def submit(self, prompt: Prompt, **order: Any) -> str | None:
        """The job's id. Goes on under the same Idempotency-Key until it is told yes or no, or gives up."""
        body = {"operation": "chat.completions", "model": "m", "input": prompt.as_input(), **order}
        began_at = time.time()
        headers = {**self.headers, "Idempotency-Key": prompt.nonce}
        while time.time() - began_at < GIVE_UP_SECONDS:
            status, answer, retry_after = await self.call("POST", self.jobs_url, headers=headers, json=body)
            if status == 202:
                facts = {
                    "job": answer["id"],
                    "tenant": self.slug,
                    "marker": self.marker,
                    "deadline_at": answer["deadline_at"],
                }
                took = time.time() - began_at
                self.history.note("accepted", prompt.nonce, **facts, prompt=prompt.script, took_seconds=took)
                return str(answer["id"])
            if status is None:
                self.history.note("unknown", prompt.nonce, error=answer)
            else:
                self.history.note(
                    "refused", prompt.nonce, status=status, code=answer.get("code"), retry_after=retry_after
                )
            if status not in (None, 409, *TOO_EARLY):
                return None
            await asyncio.sleep(RETRY_SECONDS)
        return None

    async def call(self, method: str, url: str, **request: Any) -> tuple[int | None, Any, str | None]:
        """Status, body and Retry-After; None and the error where no answer came."""
        request.setdefault("headers", self.headers)
        try:
            async with self._session.request(method, url, **request) as answer:
                text = await answer.text()
                return answer.status, _loaded(text), answer.headers.get("Retry-After")
        except (aiohttp.ClientError, TimeoutError) as error:
            return None, repr(error), None

    async def job(self, job_id: str) -> dict[str, Any]:
        status, body, _ = await self.call("GET", f"{self.jobs_url}/{job_id}")
        return body if status == 200 else {"state": None}

    async def cancel(self, job_id: str) -> int | None:
        status, _, _ = await self.call("POST", f"{self.jobs_url}/{job_id}/cancel")
        self.history.note("cancelled", job=job_id, status=status)
        return status

    async def read_chat(self, prompt: Prompt, *, leave_after: int | None = None) -> tuple[int | None, str]:
        """Stream a chat over `/v1`: the status and what came; leaves after so many pieces where that is wanted."""
        body = {"model": "m", "stream": True, **prompt.as_input()}
        quiet = aiohttp.ClientTimeout(total=None, sock_read=QUIET_SECONDS)
        pieces: list[bytes] = []
        url = f"{self.url}/v1/chat/completions"
        async with self._session.post(url, headers=self.headers, json=body, timeout=quiet) as answer:
            async for piece in answer.content.iter_any():
                pieces.append(piece)
                if leave_after is not None and len(pieces) >= leave_after:
                    answer.close()
                    break
            return answer.status, b"".join(pieces).decode(errors="replace")

    async def follow(self, nonce: str, job_id: str) -> Reading:
        """Read to the end, coming back with `Last-Event-ID` when the line is cut."""
        reading = Reading()
        while reading.done is None:
            reading.connections += 1
            try:
                if await self._read(job_id, reading) == 204:
                    break
            except (aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(RETRY_SECONDS * random.uniform(1, 2))
        self.history.note(
            "stream",
            nonce,
            job=job_id,
            text=reading.text,
            restarts=reading.names.count("restart"),
            gaps=reading.names.count("gap"),
            dones=reading.names.count("done"),
            is_done_last=reading.names[-1:] == ["done"],
            done=reading.done,
            connections=reading.connections,
        )
        return reading

    async def _read(self, job_id: str, reading: Reading) -> int:
        headers = {**self.headers, **({"Last-Event-ID": reading.last_id} if reading.last_id else {})}
        quiet = aiohttp.ClientTimeout(total=None, sock_read=QUIET_SECONDS)
        async with self._session.get(f"{self.jobs_url}/{job_id}/events", headers=headers, timeout=quiet) as answer:
            if answer.status != 200:
                await asyncio.sleep(RETRY_SECONDS)
                return answer.status
            async for event in _events(answer.content):
                reading.take(event)
            return answer.status


async def _events(stream: aiohttp.StreamReader) -> AsyncIterator[SentEvent]:
    rest = b""
    async for piece in stream.iter_any():
        *whole, rest = (rest + piece).split(b"\n\n")
        for event in _parsed(whole):
            yield event


def _parsed(events: list[bytes]) -> Iterator[SentEvent]:
    for raw in events:
        fields = dict(line.partition(b": ")[::2] for line in raw.split(b"\n") if not line.startswith(b":"))
        if fields:
            event_id = fields[b"id"].decode() if b"id" in fields else None
            yield SentEvent(event_id, fields[b"event"].decode(), json.loads(fields[b"data"]))


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return {"text": text}
