"""A caller of the jobs API over real HTTP, with the events of a stream read as they come."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tests.waiting import wait_for

HELLO: dict[str, Any] = {
    "model": "gpt-3.5-turbo",
    "operation": "chat.completions",
    "input": {"messages": [{"role": "user", "content": "Say hello."}]},
}
EMBED: dict[str, Any] = {
    "model": "text-embedding-ada-002",
    "operation": "embeddings",
    "input": {"input": ["one", "two"]},
}
TERMINAL = ("succeeded", "failed", "cancelled", "expired", "dead")


@dataclass(frozen=True)
class SentEvent:
    id: str | None
    name: str
    data: Any
    raw: bytes


class JobsClient(httpx.Client):
    """`client.submit({...})` gives the job; paths are below the tenant's."""

    def __init__(self, url: str, slug: str, key: str) -> None:
        super().__init__(
            base_url=f"{url}/api/v1/tenants/{slug}",
            headers={"Authorization": f"Bearer {key}"},
            timeout=60,
            trust_env=False,
            verify=False,  # no certificates are needed, and reading all of them takes longer than most calls
        )

    def submit(self, body: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
        answer = self.post("/jobs", json={**(body or HELLO), **changes})
        assert answer.status_code == 202, answer.text
        job: dict[str, Any] = answer.json()
        return job

    def job(self, job_id: str) -> dict[str, Any]:
        answer = self.get(f"/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        job: dict[str, Any] = answer.json()
        return job

    def ended(self, job_id: str, seconds: float = 60.0) -> dict[str, Any]:
        """The job once it is in a terminal state."""
        return wait_for(lambda: (job := self.job(job_id))["state"] in TERMINAL and job, seconds=seconds)

    def in_state(self, job_id: str, state: str, seconds: float = 30.0) -> dict[str, Any]:
        return wait_for(lambda: (job := self.job(job_id))["state"] == state and job, seconds=seconds)

    @contextmanager
    def following(self, job_id: str, *, after: str | None = None) -> Iterator[Iterator[SentEvent]]:
        headers = {"Last-Event-ID": after} if after else {}
        with self.stream("GET", f"/jobs/{job_id}/events", headers=headers) as answer:
            assert answer.status_code == 200, answer.read()
            assert answer.headers["content-type"].startswith("text/event-stream")
            yield sent_events(answer.iter_raw())

    def events(self, job_id: str, *, after: str | None = None) -> list[SentEvent]:
        """All events to the end of the stream. One that waited long for its start is first told where it stands."""
        with self.following(job_id, after=after) as events:
            return list(events)


def sent_events(pieces: Iterator[bytes]) -> Iterator[SentEvent]:
    """Events of a stream; comments are left out."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n\n")
        for raw in whole:
            if not raw.startswith(b":"):
                yield _event(raw)


def _event(raw: bytes) -> SentEvent:
    fields: dict[str, list[str]] = {}
    for line in raw.decode().split("\n"):
        name, _, value = line.partition(": ")
        fields.setdefault(name, []).append(value)
    return SentEvent(
        id=fields.get("id", [None])[0],
        name=fields["event"][0],
        data=json.loads("\n".join(fields["data"])),
        raw=raw,
    )


def recorded(events: list[SentEvent]) -> list[SentEvent]:
    """Those that every reader gets: where a job stands in the queue is told to those alone who wait just then."""
    return [event for event in events if event.id]


def text_of(events: list[SentEvent]) -> str:
    """What a reader has who discards at each restart."""
    text = ""
    for event in events:
        if event.name == "restart":
            text = ""
        if event.name == "delta":
            for choice in event.data["choices"]:
                text += choice.get("delta", {}).get("content") or choice.get("text") or ""
    return text
