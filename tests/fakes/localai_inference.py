"""How the fake answers each inference endpoint; streams are in localai_streams.py."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import struct
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from tests.fakes.http_server import Wire
from tests.fakes.localai_failures import FAILURES, Failure, context_overflow
from tests.fakes.localai_models import FakeModel
from tests.fakes.localai_streams import ID, stream_chat, stream_completion, usage_of

if TYPE_CHECKING:
    from tests.fakes.localai import FakeLocalAI
    from tests.fakes.localai_dial import Dial

Body = dict[str, Any]
Answer = Callable[["FakeLocalAI", FakeModel, Body, Wire], Awaitable[None]]
CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/intent",
    "self-harm/instructions",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


async def chat(fake: FakeLocalAI, model: FakeModel, body: Body, wire: Wire) -> None:
    # v1.24 answers a call with tools as one piece, whatever `stream` says
    streamed = bool(body.get("stream")) and not (fake.dial.is_v1 and body.get("tools"))
    failure = await trouble(fake, model, body, wire, "llm") or (
        FAILURES["unimplemented"] if fake.dial.no_chat else None
    )
    if streamed and not (failure and failure.before_stream):
        await stream_chat(fake, body, wire, failure)
    elif failure:
        await fake.fail(wire, failure)
    else:
        await wire.send_json(200, chat_object(fake, body))


def chat_object(fake: FakeLocalAI, body: Body) -> Body:
    dial = fake.dial
    content = "".join(dial.tokens) if dial.content is None else dial.content
    message: Body = {"role": "assistant", "content": content}
    if dial.reasoning_tokens:
        message["reasoning"] = "".join(dial.reasoning_tokens)
    if dial.tool_calls:
        calls = enumerate(dial.tool_calls)
        message["tool_calls"] = [
            {"index": at, "id": ID, "type": "function", "function": {"name": name, "arguments": arguments}}
            for at, (name, arguments) in calls
        ]
    finish = "tool_calls" if dial.tool_calls or dial.tool_calls_claimed else dial.finish_reason
    choices = [{"index": at, "message": message, "finish_reason": finish} for at in range(int(body.get("n") or 1))]
    return _without(fake, {**_head(body, "chat.completion"), "choices": choices, "usage": usage_of(fake, body)})


async def completion(fake: FakeLocalAI, model: FakeModel, body: Body, wire: Wire) -> None:
    prompts = body.get("prompt")
    if body.get("stream") and isinstance(prompts, list) and len(prompts) != 1:
        return await fake.fail(wire, Failure(400, "code=400, message=cannot handle more than 1 `PromptStrings`"))
    failure = await trouble(fake, model, body, wire, "llm")
    if body.get("stream") and not (failure and failure.before_stream):
        return await stream_completion(fake, body, wire, failure)
    if failure:
        return await fake.fail(wire, failure)
    usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    counted = usage if fake.dial.completions_usage_zero else usage_of(fake, body)
    choice = {"index": 0, "text": "".join(fake.dial.tokens), "finish_reason": fake.dial.finish_reason}
    content = {**_head(body, "text_completion"), "choices": [choice], "usage": counted}
    return await wire.send_json(200, _without(fake, content))


async def embeddings(fake: FakeLocalAI, model: FakeModel, body: Body, wire: Wire) -> None:
    if failure := await trouble(fake, model, body, wire, "embedding"):
        return await fake.fail(wire, failure)
    given = body.get("input")
    texts = [given] if isinstance(given, str) else list(given or [])
    if fake.dial.one_vector_only:
        texts = texts[:1]
    wanted = str(body.get("encoding_format") or "float")
    encoding = wanted if fake.dial.embedding_as == "as_asked" else fake.dial.embedding_as
    data = [
        {"embedding": _encoded(_vector(fake, model, text, at), encoding), "index": at, "object": "embedding"}
        for at, text in enumerate(texts)
    ]
    content: Body = {"created": int(time.time()), "object": "list", "id": ID, "model": body["model"]}
    if data and not fake.dial.omit_data:
        content["data"] = data
    if not fake.dial.since(_negated(fake.dial.embeddings_usage), (4, 2, 5)):
        content["usage"] = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    return await wire.send_json(200, content)


async def rerank(fake: FakeLocalAI, model: FakeModel, body: Body, wire: Wire) -> None:
    if failure := await trouble(fake, model, body, wire, "rerank"):
        return await fake.fail(wire, failure)
    documents = body.get("documents") or []
    top_n = body.get("top_n", len(documents))
    if top_n < 1:
        return await wire.send_json(422, "top_n - should be greater than or equal to 1")
    shift = len(documents) if fake.dial.rerank_out_of_range else 0
    results = [
        {"index": at + shift, "document": {"text": text}, "relevance_score": round(0.9 / (at + 1), 4)}
        for at, text in list(enumerate(documents))[:top_n]
    ]
    return await wire.send_json(
        200, {"model": body["model"], "usage": {"total_tokens": 9, "prompt_tokens": 9}, "results": results}
    )


async def image(fake: FakeLocalAI, model: FakeModel, body: Body, wire: Wire) -> None:
    if failure := await trouble(fake, model, body, wire, "image"):
        return await fake.fail(wire, failure)
    if len(str(body.get("size") or "512x512").split("x")) > 2:
        return await fake.fail(wire, Failure(500, "invalid value for 'size'"))
    in_json = {"b64_json": PIXEL}
    by_url = {"url": f"{fake.url}/generated-images/b1.png"}  # behind the same key as all else
    made = in_json if body.get("response_format") == "b64_json" and not fake.dial.images_by_url else by_url
    data = [made] * int(body.get("n") or 1)
    return await wire.send_json(200, {"created": int(time.time()), "id": ID, "data": data})


async def moderation(fake: FakeLocalAI, model: FakeModel, body: Body, wire: Wire) -> None:
    """A chat model is told to judge, and a grammar holds it to the shape; what it judged badly is a 500."""
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        told = "code=400, message=failed parsing request body: input must be a text string or array of text strings"
        return await fake.fail(wire, Failure(400, told))
    if not texts or not all(text.strip() for text in texts):
        return await fake.fail(wire, Failure(400, "code=400, message=input strings must not be empty"))
    failure = await trouble(fake, model, body, wire, "llm")
    if failure and not failure.before_stream:  # whatever the backend said
        failure = Failure(500, "code=500, message=moderation inference failed")
    if failure := failure or (FAILURES["bad_judgement"] if fake.dial.judges_badly else None):
        return await fake.fail(wire, failure)
    results = [judged(text, fake.dial.flagged_word) for text in texts]
    return await wire.send_json(200, {"id": "modr-9b2e1c8a", "model": body["model"], "results": results})


def judged(text: str, flagged_word: str) -> Body:
    found = flagged_word in text
    return {
        "flagged": found,
        "categories": {name: found and name == "violence" for name in CATEGORIES},
        "category_scores": {name: 0.98 if found and name == "violence" else 0.01 for name in CATEGORIES},
        "category_applied_input_types": {name: ["text"] for name in CATEGORIES},
    }


async def tokenize(fake: FakeLocalAI, model: FakeModel, body: Body, wire: Wire) -> None:
    words = str(body.get("content") or "").split()
    await wire.send_json(200, {"tokens": list(range(len(words)))})


def _cold_load_seconds(dial: Dial, model: FakeModel) -> float:
    return dial.cold_load_seconds if model.cold_load_seconds is None else model.cold_load_seconds


async def trouble(fake: FakeLocalAI, model: FakeModel, body: Body, wire: Wire, sort: str) -> Failure | None:
    """Why this call cannot be answered; waits as long as the real server would."""
    dial = fake.dial
    if failure := dial.next_failure():
        await wire.pause_as_told(lambda: dial.fail_delay_seconds)
        return failure
    if not model.loaded and _cold_load_seconds(dial, model):
        if dial.cold_load_503:
            return FAILURES["model_loading"]
        await wire.pause_as_told(lambda: _cold_load_seconds(dial, model))
    model.loaded = True
    if dial.hang:
        await wire.hang()
    return _mismatch(fake, model, sort) or _overflow(model, body)


def _mismatch(fake: FakeLocalAI, model: FakeModel, sort: str) -> Failure | None:
    """A wrong type is not refused up front: it reaches the backend, which fails in its own words, or not at all."""
    is_chat = sort == "llm"
    fits = model.sort in ("llm", "vision", "untemplated", "loose_file") if is_chat else model.sort == sort
    if (
        fits
        or (sort == "embedding" and fake.dial.embeds_with_any_model)
        or (is_chat and fake.dial.chats_with_any_model)
    ):
        return None
    return FAILURES["predict_on_embedding_model" if is_chat and model.is_embedding else "unimplemented"]


def _overflow(model: FakeModel, body: Body) -> Failure | None:
    if model.context_size is None:
        return None
    tokens = len(json.dumps(body.get("messages") or body.get("prompt") or body.get("input") or "").split())
    tokens += int(body.get("max_tokens") or 0)
    return context_overflow(tokens, model.context_size) if tokens > model.context_size else None


def _vector(fake: FakeLocalAI, model: FakeModel, text: Any, at: int) -> list[float]:
    """The same text gives the same unit vector."""
    size = model.dimensions + (at if fake.dial.unequal_vectors else 0)
    seed = hashlib.shake_256(json.dumps(text).encode()).digest(size)
    raw = [byte / 127.5 - 1.0 for byte in seed]
    length = math.sqrt(sum(value * value for value in raw)) or 1.0
    vector = [value / length for value in raw]
    return [math.nan, *vector[1:]] if fake.dial.not_a_number else vector


def _encoded(vector: list[float], encoding: str) -> Any:
    if encoding != "base64":
        return vector
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _head(body: Body, kind: str) -> Body:
    return {"created": int(time.time()), "object": kind, "id": ID, "model": body.get("model", "")}


def _without(fake: FakeLocalAI, content: Body) -> Body:
    missing = {"usage": fake.dial.omit_usage, "id": fake.dial.omit_ids, "created": fake.dial.omit_ids}
    if fake.dial.omit_finish:
        for choice in content["choices"]:
            del choice["finish_reason"]
    return {name: value for name, value in content.items() if not missing.get(name)}


def _negated(choice: bool | None) -> bool | None:
    return None if choice is None else not choice


INFERENCE: dict[str, tuple[str, Answer]] = {
    "/v1/chat/completions": ("llm", chat),
    "/v1/completions": ("llm", completion),
    "/v1/embeddings": ("embedding", embeddings),
    "/v1/rerank": ("rerank", rerank),
    "/v1/images/generations": ("image", image),
    "/v1/moderations": ("llm", moderation),
    "/v1/tokenize": ("llm", tokenize),
}
