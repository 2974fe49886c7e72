"""A Xinference that does not think: launched models only, its own listing, FastAPI's `{"detail": …}` errors.

with FakeXinference() as fake:
    fake.launch("qwen2.5", "LLM", abilities=("chat", "tools"), context_length=32768)
    fake.dial.tokens_of_users = {"right": {"models:list", "models:read"}}
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.http_server import HttpServer, Received, Wire
from tests.fakes.localai import multipart_fields
from tests.fakes.localai_streams import event
from tests.fakes.sound import silent_wav

Body = dict[str, Any]
Answer = Callable[[Body, Body, Wire], Awaitable[None]]


@dataclass
class XinferenceDial:
    version: str = "1.5.0"
    # JWT or key -> its scopes; none: the cluster asks for no credential. "admin" holds every scope
    tokens_of_users: dict[str, set[str]] = field(default_factory=dict)
    has_cluster_auth: bool = True
    uid_in: str = "id"  # the listing's key for the uid: "id", in some releases "model_uid"
    has_ability: bool = True  # old releases list no model_ability
    fail: str | None = None  # the text of an exception in the model: 500, or an event in a stream
    rate_limited: bool = False
    token_delay_seconds: float = 0.0
    tokens: tuple[str, ...] = ("Hel", "lo", ".")


@dataclass
class FakeXinference(HttpServer):
    dial: XinferenceDial = field(default_factory=XinferenceDial)
    launched: dict[str, Body] = field(default_factory=dict)

    def launch(self, uid: str, sort: str, *, abilities: tuple[str, ...] = (), **facts: Any) -> None:
        """`sort` as Xinference writes it: LLM, embedding, rerank, audio, image."""
        described = {"model_type": sort, "address": "0.0.0.0:41231", "accelerators": ["0"], "model_name": uid}
        self.launched[uid] = {**described, "model_ability": list(abilities), "replica": 1, **facts}

    def _described(self, uid: str) -> Body:
        facts = dict(self.launched[uid])
        if not self.dial.has_ability:
            del facts["model_ability"]
        return facts

    async def answer(self, request: Received, wire: Wire) -> None:
        path = request.path
        if path == "/v1/cluster/auth" and self.dial.has_cluster_auth:
            await wire.send_json(200, {"auth": bool(self.dial.tokens_of_users)})
        elif refusal := self._refusal(request, self._scope(request)):
            status, detail = refusal
            await wire.send_json(status, {"detail": detail}, {"WWW-Authenticate": "Bearer"})
        elif path == "/v1/cluster/version":
            await wire.send_json(200, {"version": self.dial.version, "full-revisionid": "7ecec16b6", "dirty": False})
        elif path == "/v1/models" and request.method == "GET":
            await wire.send_json(200, {"object": "list", "data": [self._line(uid) for uid in self.launched]})
        elif path.startswith("/v1/models/") and request.method == "GET":
            await self._describe(path.removeprefix("/v1/models/"), wire)
        elif path in self._operations() and request.method == "POST":
            await self._infer(request, wire)
        else:
            await wire.send_json(404, {"detail": "Not Found"})

    def _scope(self, request: Received) -> str:
        if request.path.startswith("/v1/cluster"):
            return "admin"
        return "models:list" if request.method == "GET" else "models:read"

    def _refusal(self, request: Received, scope: str) -> tuple[int, str] | None:
        users = self.dial.tokens_of_users
        if not users:
            return None
        if not request.headers.get("authorization", "").startswith("Bearer "):
            return 401, "Not authenticated"
        if request.key not in users:
            return 401, "Could not validate credentials"
        may = {scope, "admin"} & users[request.key]
        return None if may else (403, "Not enough permissions")

    def _line(self, uid: str) -> Body:
        return {self.dial.uid_in: uid, "object": "model", "created": 0, "owned_by": "xinference"} | self._described(uid)

    async def _describe(self, uid: str, wire: Wire) -> None:
        if uid in self.launched:
            await wire.send_json(200, self._described(uid))
        else:
            await wire.send_json(400, {"detail": f"Model not found in the model list, uid: {uid}"})

    def _operations(self) -> dict[str, tuple[str, str, Answer]]:
        """Path -> the model type it needs, the words of a model that is not for it, the answer."""
        return {
            "/v1/chat/completions": ("LLM", "chat", self._chat),
            "/v1/completions": ("LLM", "generate", self._complete),
            "/v1/embeddings": ("embedding", "creating embedding", self._embed),
            "/v1/rerank": ("rerank", "reranking", self._rerank),
            "/v1/audio/transcriptions": ("audio", "creating transcriptions", self._transcribe),
            "/v1/audio/translations": ("audio", "creating translations", self._translate),
            "/v1/audio/speech": ("audio", "speech", self._speak),
            "/v1/images/generations": ("image", "creating image", self._draw),
        }

    async def _infer(self, request: Received, wire: Wire) -> None:
        is_form = request.headers.get("content-type", "").startswith("multipart/form-data")
        body = multipart_fields(request) if is_form else json.loads(request.body)
        uid = str(body.get("model"))
        if uid not in self.launched:
            await wire.send_json(400, {"detail": f"Model not found in the model list, uid: {uid}"})
            return
        sort, words, answer = self._operations()[request.path]
        facts = self.launched[uid]
        abilities = facts["model_ability"]
        is_chat_only = words == "generate" and abilities and "generate" not in abilities
        if self.dial.rate_limited:
            await wire.send_json(429, {"detail": "Rate limit reached for the model. Please retry after 10 s"})
        elif facts["model_type"] != sort or (words == "chat" and "chat" not in abilities) or is_chat_only:
            await wire.send_json(500, {"detail": f"[address=0.0.0.0:41231, pid=7] Model {uid} is not for {words}."})
        elif self.dial.fail and not body.get("stream"):
            await wire.send_json(500, {"detail": f"[address=0.0.0.0:41231, pid=7] {self.dial.fail}"})
        else:
            await answer(body, facts, wire)

    async def _chat(self, body: Body, facts: Body, wire: Wire) -> None:
        if body.get("stream"):
            await self._stream(body, wire)
            return
        message = {"role": "assistant", "content": "".join(self.dial.tokens)}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        await wire.send_json(200, {**self._head(body, "chat.completion"), "choices": choices, "usage": self._usage()})

    async def _stream(self, body: Body, wire: Wire) -> None:
        """An exception is `{"error": "<text>"}` in a 200 stream, which then ends without [DONE]."""
        await wire.start("text/event-stream; charset=utf-8")
        head = self._head(body, "chat.completion.chunk")
        opening = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
        await wire.write(event({**head, "choices": [opening]}))
        if self.dial.fail:
            await wire.write(event({"error": self.dial.fail}))
            await wire.finish()
            return
        for text in self.dial.tokens:
            choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
            await wire.write(event({**head, "choices": [choice]}))
            await wire.pause(self.dial.token_delay_seconds or 0.0)
        last = {"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}
        await wire.write(event({**head, "choices": [last]}))
        await wire.write(b"data: [DONE]\n\n")
        await wire.finish()

    async def _complete(self, body: Body, facts: Body, wire: Wire) -> None:
        choice = {"index": 0, "text": "".join(self.dial.tokens), "finish_reason": "stop", "logprobs": None}
        await wire.send_json(200, {**self._head(body, "text_completion"), "choices": [choice], "usage": self._usage()})

    async def _embed(self, body: Body, facts: Body, wire: Wire) -> None:
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        size = int(facts.get("dimensions") or 8)
        data = [{"index": at, "object": "embedding", "embedding": [0.1] * size} for at, _ in enumerate(texts)]
        usage = {"prompt_tokens": 4, "total_tokens": 4}
        await wire.send_json(200, {"object": "list", "model": body["model"], "data": data, "usage": usage})

    async def _rerank(self, body: Body, facts: Body, wire: Wire) -> None:
        """Best first; the documents and the count of tokens only where they are asked for."""
        texts = enumerate(body["documents"][: body.get("top_n")])
        shown = bool(body.get("return_documents"))
        results = [
            {"index": at, "relevance_score": 0.9 / (at + 1), "document": {"text": text} if shown else None}
            for at, text in texts
        ]
        meta = {"api_version": None, "billed_units": None, "tokens": None, "warnings": None}
        await wire.send_json(200, {"id": "r-1", "results": results, "meta": meta})

    async def _transcribe(self, body: Body, facts: Body, wire: Wire) -> None:
        await self._write_down("".join(self.dial.tokens), body, wire)

    async def _translate(self, body: Body, facts: Body, wire: Wire) -> None:
        await self._write_down("In English: " + "".join(self.dial.tokens), body, wire)

    async def _write_down(self, text: str, body: Body, wire: Wire) -> None:
        wanted = body.get("response_format") or "json"
        if wanted == "json":
            await wire.send_json(200, {"text": text})
        elif wanted == "verbose_json":
            told = {"task": "transcribe", "language": "english", "duration": 1.0, "text": text, "segments": []}
            await wire.send_json(200, told)
        else:
            told = {"detail": f"[address=0.0.0.0:41231, pid=7] Unsupported response format: {wanted}"}
            await wire.send_json(500, told)

    async def _speak(self, body: Body, facts: Body, wire: Wire) -> None:
        await wire.send(200, silent_wav(seconds=0.1), "application/octet-stream")

    async def _draw(self, body: Body, facts: Body, wire: Wire) -> None:
        """By default an address in its own file system."""
        in_json = {"url": None, "b64_json": "iVBORw0KGgo="}
        by_url = {"url": "/root/.xinference/image/1.jpg", "b64_json": None}
        made = in_json if body.get("response_format") == "b64_json" else by_url
        await wire.send_json(200, {"created": 1, "data": [made] * int(body.get("n") or 1)})

    def _head(self, body: Body, kind: str) -> Body:
        return {"id": "chat-1", "object": kind, "created": 1, "model": body["model"]}

    def _usage(self) -> Body:
        made = len(self.dial.tokens)
        return {"prompt_tokens": 5, "completion_tokens": made, "total_tokens": 5 + made}
