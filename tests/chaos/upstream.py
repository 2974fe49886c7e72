"""A model server that does as each prompt says, and keeps the ledger: the ground truth of what was executed.

A prompt is JSON: its nonce, a script, how many tokens and how far apart. The text of an answer names the tenant whose
key came with the call, the nonce and the number of the call, so that a result tells where it comes from.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from tests.chaos.scripts import SCRIPTS
from tests.fakes.http_server import ClientGone, HttpServer, Received, Wire

CHAT = "/v1/chat/completions"
CANARY = "prompt-canary-5f2c"
_ORIGIN = re.compile(r"\[from (\S+) (\S+) call (\d+)\]")


@dataclass(frozen=True)
class Prompt:
    nonce: str
    script: str = "ok"
    tokens: int = 5
    pause_seconds: float = 0.0
    secret: str = CANARY  # stands for what a caller would not like to find in a log

    def as_input(self) -> dict[str, Any]:
        """The `input` of a job."""
        return {"messages": [{"role": "user", "content": json.dumps(asdict(self))}]}


@dataclass
class Call:
    """One line of the ledger. Times are those of the machine's clock, as the database's are."""

    number: int
    nonce: str
    script: str
    peer_port: int
    started_at: float
    ended_at: float | None = None
    aborted_at: float | None = None
    words: int = 0


class Origin(NamedTuple):
    """Where a text says it comes from."""

    marker: str
    nonce: str
    call: int


def marker_of(key: str | None) -> str:
    """What the answers to the holder of this key carry."""
    return hashlib.sha256((key or "").encode()).hexdigest()[:10]


def origins_in(text: str) -> list[Origin]:
    return [Origin(marker, nonce, int(call)) for marker, nonce, call in _ORIGIN.findall(text)]


@dataclass
class ScriptedUpstream(HttpServer):
    calls: list[Call] = field(default_factory=list)
    on_call: Callable[[Call], None] = lambda call: None  # in the upstream's own thread

    async def answer(self, request: Received, wire: Wire) -> None:
        if request.path != CHAT:
            await wire.send_json(404, {"error": {"message": "There is only chat here."}})
            return
        prompt = Prompt(**json.loads(request.json["messages"][-1]["content"]))
        call = Call(len(self.calls) + 1, prompt.nonce, prompt.script, request.peer_port, time.time())
        self.calls.append(call)
        self.on_call(call)
        try:
            await SCRIPTS[prompt.script](Turn(prompt, call, request, wire))
        except (ClientGone, ConnectionError):
            call.aborted_at = time.time()
            raise
        call.ended_at = time.time()
        self.ledger.clear()  # ours is kept instead: bodies of thousands of requests are not

    def of(self, nonce: str) -> list[Call]:
        return [call for call in self.calls if call.nonce == nonce]


@dataclass
class Turn:
    """One call as a script sees it."""

    prompt: Prompt
    call: Call
    request: Received
    wire: Wire

    @property
    def streams(self) -> bool:
        return bool(self.request.json.get("stream"))

    @property
    def origin(self) -> str:
        return f"[from {marker_of(self.request.key)} {self.prompt.nonce} call {self.call.number}]"

    def words(self) -> list[str]:
        return [self.origin, *(f" w{number}" for number in range(1, self.prompt.tokens))]

    async def say(self, words: list[str]) -> None:
        for word in words:
            await self.wire.write(self.chunk({"content": word}))
            self.call.words += 1
            if self.prompt.pause_seconds:
                await self.wire.pause(self.prompt.pause_seconds)

    async def end(self) -> None:
        await self.wire.write(self.chunk({}, finish_reason="stop"))
        await self.wire.write(b"data: [DONE]\n\n")
        await self.wire.finish()

    def whole(self) -> dict[str, Any]:
        message = {"role": "assistant", "content": "".join(self.words())}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        head = {"id": f"c{self.call.number}", "object": "chat.completion", "created": 1, "model": "m"}
        return {**head, "choices": choices, "usage": {"prompt_tokens": 1, "completion_tokens": self.prompt.tokens}}

    def chunk(self, delta: dict[str, str], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        head = {"id": f"c{self.call.number}", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        return b"data: " + json.dumps({**head, "choices": [choice]}).encode() + b"\n\n"
