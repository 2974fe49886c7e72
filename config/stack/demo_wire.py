"""LocalAI's words: the bodies and events the demo answers with, made from those of llama.cpp. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson
from starlette.responses import JSONResponse, Response

ENDPOINTS = {
    "models": "/v1/models",
    "model_capabilities": "/v1/models/capabilities",
    "chat_completions": "/v1/chat/completions",
    "completions": "/v1/completions",
    "embeddings": "/v1/embeddings",
    "version": "/version",
}
NOT_FOR_CHAT = "rpc error: code = InvalidArgument desc = Embedding is not supported in Predict mode"
DONE = b"data: [DONE]\n\n"


class Refusal(Exception):
    """An error with the status and text that LocalAI gives it."""

    def __init__(self, status: int, message: str, type_: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.type = type_


ErrorFrames = Callable[[Refusal], Iterator[bytes]]


def unknown_model(name: object) -> str:
    return f'model "{name}" not found. To see available models, call GET /v1/models'


def capabilities(name: str, is_embedding: bool) -> dict[str, Any]:
    what = ["embeddings"] if is_embedding else ["chat", "completion"]
    return {"id": name, "capabilities": what, "input_modalities": ["text"], "output_modalities": ["text"]}


def error_response(status: int, message: str, type_: str = "") -> Response:
    return JSONResponse({"error": {"code": status, "message": message, "type": type_}}, status)


def refused_without_key() -> Response:
    response = error_response(401, "An authentication key is required", "invalid_request_error")
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


def refusal_of(body: bytes) -> Refusal:
    """What the engine refused. Of its backends' failures LocalAI says 500, also where the context is too small."""
    try:
        error = orjson.loads(body)["error"]
        message, type_ = error["message"], error["type"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        message, type_ = body[:200].decode(errors="replace"), ""
    if type_ == "invalid_request_error":
        return Refusal(400, f"code=400, message={message}", type_)
    return Refusal(500, f"rpc error: code = Internal desc = {message}", "")


def chat_error(refusal: Refusal) -> Iterator[bytes]:
    error = {"code": "server_error", "message": refusal.message, "type": "server_error"}
    yield b"data: " + orjson.dumps({"error": error}) + b"\n\n"
    yield DONE


def completion_error(refusal: Refusal) -> Iterator[bytes]:
    """An ordinary chunk, and no end: so it is in LocalAI."""
    choice = {"index": 0, "text": f"Internal error: {refusal.message}", "finish_reason": "stop"}
    yield b"data: " + orjson.dumps({"object": "text_completion", "choices": [choice]}) + b"\n\n"


def whole(body: dict[str, Any], name: str) -> dict[str, Any]:
    """A unary answer. Embeddings carry no `usage` since v4.2.5."""
    body.pop("timings", None)
    if body.get("object") == "list":
        body.pop("usage", None)
    return {**body, "model": name}


def frame(data: str, asked: dict[str, Any]) -> bytes:
    """One event of a stream: `content` stands in every delta, `usage` only where it was asked for."""
    if data == "[DONE]":
        return DONE
    chunk = orjson.loads(data)
    chunk.pop("timings", None)
    wants_usage = bool((asked.get("stream_options") or {}).get("include_usage"))
    if not wants_usage:
        chunk.pop("usage", None)
    for choice in chunk.get("choices", []):
        if "delta" in choice:
            choice["delta"].setdefault("content", None)
    return b"data: " + orjson.dumps(chunk) + b"\n\n"
