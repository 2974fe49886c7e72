"""LocalAI's own words for what goes wrong, as its versions say them (literals read from its source and issues)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

CodeStyle = Literal["as_version", "int", "string", "absent"]


@dataclass(frozen=True)
class Failure:
    """`before_stream`: refused by a middleware, so a streamed call gets the status too and not a 200 with an event."""

    status: int
    message: str
    type: str = ""
    code: int | str | None = None  # None: the status, as Echo's error handler writes it
    retry_after: str | None = None
    before_stream: bool = False
    without_code: bool = False
    beside: dict[str, Any] = field(default_factory=dict)  # keys beside "error"

    def body(self, style: CodeStyle = "as_version") -> dict[str, Any]:
        error: dict[str, Any] = {"code": self.code or self.status, "message": self.message, "type": self.type}
        if style == "string":
            error["code"] = str(self.code or "server_error")
        if style == "int":
            error["code"] = self.status
        if style == "absent" or (style == "as_version" and self.without_code):
            del error["code"]
        return {"error": error, **self.beside}

    def event(self, style: CodeStyle = "as_version") -> dict[str, Any]:
        """The same inside a stream that began with 200."""
        error: dict[str, Any] = {"code": "server_error", "message": self.message, "type": "server_error"}
        if style == "int":
            error["code"] = self.status
        if style == "absent":
            del error["code"]
        return {"error": error}

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": self.retry_after} if self.retry_after is not None else {}


def unknown_model(name: str) -> Failure:
    text = f'model "{name}" not found. To see available models, call GET /v1/models'
    return Failure(404, text, "invalid_request_error", before_stream=True)


def context_overflow(tokens: int, context_size: int) -> Failure:
    text = f"request ({tokens} tokens) exceeds the available context size ({context_size} tokens), try increasing it"
    return Failure(500, f"rpc error: code = Internal desc = {text}")


_EVERY_BACKEND = "; ".join(
    f"[{name}]: could not load model: rpc error: code = Canceled desc = "
    for name in ("llama-cpp", "llama-cpp-fallback", "whisper", "bert-embeddings", "stablediffusion", "piper", "rwkv")
)
_INNER_DIAL = "transport: Error while dialing: dial tcp 127.0.0.1:35291: connect: connection refused"

FAILURES: dict[str, Failure] = {
    "backend_not_found": Failure(500, "failed to load model with internal loader: backend not found: llama-cpp"),
    "no_backends": Failure(500, "no backends found"),
    "no_backend_with_name": Failure(500, "could not load model: no backend found with name bert-embeddings"),
    "grpc_not_ready": Failure(500, "failed to load model with internal loader: grpc service not ready"),
    "backend_exited": Failure(
        500, "grpc service not ready: backend process exited with code 132: Illegal instruction (core dumped)"
    ),
    "inner_refused": Failure(500, f'rpc error: code = Unavailable desc = connection error: desc = "{_INNER_DIAL}"'),
    "backend_eof": Failure(500, "rpc error: code = Unavailable desc = error reading from server: EOF"),
    "cuda_out_of_memory": Failure(
        500, "rpc error: code = Internal desc = CUDA out of memory. Tried to allocate 2.00 GiB"
    ),
    "out_of_memory": Failure(500, "could not load model (no success): Unexpected err=OutOfMemoryError('HIP out')"),
    "every_backend_failed": Failure(
        500, f"could not load model - all backends returned error: {_EVERY_BACKEND} {'x' * 4000}"
    ),
    "cancelled_by_watchdog": Failure(500, "rpc error: code = Canceled desc = context canceled"),
    "cooldown": Failure(503, 'model "x" load is in cooldown after a recent failure; retry after 10s', retry_after="10"),
    "admission": Failure(
        503,
        'model "x" is at capacity (max_concurrent=1); retry after 1s',
        "admission_rejected",
        retry_after="1",
        before_stream=True,
        without_code=True,
    ),
    "capacity": Failure(
        503, "backend inference capacity reached (max_concurrent=1024); retry after 1s", retry_after="1"
    ),
    "model_loading": Failure(
        503,
        'model "x" is loading',
        "model_loading",
        code="model_loading",
        retry_after="15",
        before_stream=True,
        beside={"loading": {"model": "x", "state": "loading", "node": "n1", "progress": 0.4, "eta_seconds": 15}},
    ),
    "quota": Failure(429, "quota exceeded", "quota_exceeded", retry_after="30", before_stream=True),
    "model_disabled": Failure(403, 'model "x" is disabled', "model_disabled", before_stream=True),
    "access_denied": Failure(403, "access denied to model: x", "authorization_error", before_stream=True),
    "admin_required": Failure(403, "Admin access required", "authorization_error", before_stream=True),
    "alias_target_missing": Failure(
        400, 'alias "x" points at a model that does not exist', "invalid_request_error", before_stream=True
    ),
    "context_overflow": context_overflow(20652, 8192),
    "context_overflow_413": Failure(
        413, "request (20652 tokens) exceeds the available context size (8192 tokens), try increasing it"
    ),
    "invalid_pitch": Failure(500, "CUDA error 12 at ggml-cuda.cu:6108: invalid pitch argument"),
    "predict_on_embedding_model": Failure(
        500, "rpc error: code = InvalidArgument desc = Embedding is not supported in Predict mode"
    ),
    "unimplemented": Failure(500, "rpc error: code = Unimplemented desc = Method not implemented!"),
    "bad_judgement": Failure(500, 'code=500, message=invalid moderation result: missing category "hate"'),
    "opaque": Failure(500, "an error that says nothing known"),
}
