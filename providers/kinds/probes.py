"""One small real call per model type, and whether its answer has the shape that the type promises."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from providers.errors import CallerError, Malformed, TimedOut
from providers.kinds import shapes
from providers.kinds.facts import ProbeResult
from providers.kinds.llm_probe import probe_llm
from providers.kinds.replies import read_json, read_object
from providers.kinds.sound import one_second_wav
from providers.upstream.wire import excerpt

if TYPE_CHECKING:
    from providers.upstream.client import Reply, UpstreamClient
    from providers.upstream.target import Target

PathOf = Callable[[str], str]  # operation -> path; raises operation_not_available
Probe = Callable[[PathOf, "UpstreamClient", "Target", str], Awaitable[ProbeResult]]

_BOUNDARY: Final = "modelyard-7e57f11e"
_MAX_BYTES: Final = 32 * 2**20


async def probe(
    path_of: PathOf, client: UpstreamClient, target: Target, model_type: str, upstream_name: str
) -> ProbeResult:
    """See `Kind.probe`."""
    if model_type not in _PROBES:
        raise CallerError("operation_not_available", f"Models of type {model_type} cannot be tried.")
    started = time.monotonic()
    result = await _PROBES[model_type](path_of, client, target, upstream_name)
    return replace(result, elapsed_ms=round((time.monotonic() - started) * 1000))


async def _call(client: UpstreamClient, target: Target, path: str, **sent: Any) -> Reply:
    """A unary call has no first token to wait for: a cold model may take as long as a stream's first token."""
    limit = min(target.timeouts.first_token_seconds, target.timeouts.total_seconds)
    try:
        return await client.fetch(target, "POST", path, total_seconds=limit, max_bytes=_MAX_BYTES, **sent)
    except TimedOut as late:
        if late.phase == "connect":
            raise
        raise TimedOut("first_token", f"No answer came within {limit:g} s.") from late


async def _embedding(path_of: PathOf, client: UpstreamClient, target: Target, name: str) -> ProbeResult:
    body = {"model": name, "input": ["ping", "a second, longer text"], "encoding_format": "float"}
    reply = await _call(client, target, path_of("embeddings"), json=body)
    dimensions = shapes.embedding_dimensions(read_object(reply, target.kind), reply.body, expected=2)
    return ProbeResult(name, "text-embedding", 0, dimensions=dimensions)


async def _rerank(path_of: PathOf, client: UpstreamClient, target: Target, name: str) -> ProbeResult:
    documents = ["A password is changed in the settings.", "It will rain tomorrow."]
    body = {"model": name, "query": "How do I change my password?", "documents": documents, "top_n": len(documents)}
    reply = await _call(client, target, path_of("rerank"), json=body)
    shapes.check_rerank(read_object(reply, target.kind), reply.body, documents=len(documents))
    return ProbeResult(name, "rerank", 0)


async def _speech_to_text(path_of: PathOf, client: UpstreamClient, target: Target, name: str) -> ProbeResult:
    content = _form({"model": name, "response_format": "json"}, "ping.wav", one_second_wav())
    headers = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
    reply = await _call(client, target, path_of("audio.transcriptions"), content=content, headers=headers)
    shapes.check_transcription(read_object(reply, target.kind), reply.body)
    return ProbeResult(name, "speech2text", 0)


def _form(fields: dict[str, str], file_name: str, file: bytes) -> bytes:
    parts = [f'Content-Disposition: form-data; name="{key}"\r\n\r\n{text}'.encode() for key, text in fields.items()]
    head = f'Content-Disposition: form-data; name="file"; filename="{file_name}"\r\nContent-Type: audio/wav\r\n\r\n'
    delimiter = f"--{_BOUNDARY}\r\n".encode()
    joined = b"\r\n".join(delimiter + part for part in [*parts, head.encode() + file])
    return joined + f"\r\n--{_BOUNDARY}--\r\n".encode()


async def _speech(path_of: PathOf, client: UpstreamClient, target: Target, name: str) -> ProbeResult:
    body = {"model": name, "input": "ping", "response_format": "wav"}
    if target.kind == "openai_compatible":
        body["voice"] = "alloy"  # OpenAI demands one; elsewhere it would name a voice that is not there
    reply = await _call(client, target, path_of("audio.speech"), json=body, accept="audio/*")
    if reply.status >= 300:
        read_json(reply, target.kind)
    if not shapes.is_sound(reply.body):
        raise Malformed("bad_response", "The answer is not sound.", evidence={"excerpt": excerpt(reply.body)})
    return ProbeResult(name, "tts", 0)


async def _image(path_of: PathOf, client: UpstreamClient, target: Target, name: str) -> ProbeResult:
    body = {"model": name, "prompt": "a dot", "n": 1, "size": "256x256", "response_format": "b64_json"}
    reply = await _call(client, target, path_of("images.generations"), json=body)
    shapes.check_image(read_object(reply, target.kind), reply.body)
    return ProbeResult(name, "image", 0)


async def _moderation(path_of: PathOf, client: UpstreamClient, target: Target, name: str) -> ProbeResult:
    reply = await _call(client, target, path_of("moderations"), json={"model": name, "input": "ping"})
    shapes.check_moderation(read_object(reply, target.kind), reply.body)
    return ProbeResult(name, "moderation", 0)


_PROBES: Final[dict[str, Probe]] = {
    "llm": probe_llm,
    "text-embedding": _embedding,
    "rerank": _rerank,
    "speech2text": _speech_to_text,
    "tts": _speech,
    "image": _image,
    "moderation": _moderation,
}
