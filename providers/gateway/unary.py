"""A model server's whole answer -> what the caller gets: the same bytes, but for what must change. Pure, no I/O."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

import orjson

from providers.upstream.wire import COUNTED, Usage, estimated_usage, read_answer, usage_of

_OBJECTS: Final = {"chat.completions": "chat.completion", "completions": "text_completion", "embeddings": "list"}
_CHOICES: Final = frozenset({"id", "object", "created", "model", "choices"})
_ALWAYS: Final[Mapping[str, frozenset[str]]] = {
    "chat.completions": _CHOICES,
    "completions": _CHOICES,
    "embeddings": frozenset({"object", "model", "data"}),
    "rerank": frozenset({"model", "results"}),
    "moderations": frozenset({"id", "model", "results"}),
    "images.generations": frozenset({"created", "data"}),
}


def relayed(
    operation: str, raw: bytes, headers: Mapping[str, str], *, shown_model: str, asked: object
) -> tuple[bytes, Usage]:
    """The answer to pass on, and what it used. `asked` is what was sent, for an estimate where nothing was counted.

    Raises ProviderError for an answer of 200 that is none: a web page, broken JSON, an error object, an empty list.
    """
    content = read_answer(operation, raw, headers, asked)
    counted = usage_of(content)
    usage = counted or estimated_usage(asked, _answered(content))
    is_whole = (counted is not None or operation not in COUNTED) and _ALWAYS[operation] <= content.keys()
    mended = [_mended(choice) for choice in content.get("choices", ())]
    if is_whole and not any(mended):
        return _renamed(raw, content, shown_model), usage
    return _written(operation, content, usage, shown_model), usage


def _answered(content: dict[str, Any]) -> object:
    return [choice.get("message") or choice.get("text") for choice in content.get("choices", ())]


def _mended(choice: dict[str, Any]) -> bool:
    """What SDKs stumble over: a text of null, a finish that claims a tool call which is not there, or none at all."""
    message = choice.get("message")
    called = isinstance(message, dict) and bool(message.get("tool_calls") or message.get("function_call"))
    changed = False
    if isinstance(message, dict) and message.get("content") is None and not called and not message.get("refusal"):
        message["content"] = ""
        changed = True
    if isinstance(message, dict) and message.get("tool_calls") == []:
        del message["tool_calls"]
        changed = True
    reason = choice.get("finish_reason")
    if not reason or (reason in ("tool_calls", "function_call") and not called):
        choice["finish_reason"] = "tool_calls" if called else "stop"
        changed = True
    return changed


def _renamed(raw: bytes, content: dict[str, Any], shown_model: str) -> bytes:
    """With the name the caller asked for. Quotes inside texts are escaped, so that only the field itself matches."""
    named = content.get("model")
    if named == shown_model or "model" not in content:
        return raw
    shown = orjson.dumps(shown_model)
    spelled = orjson.dumps(named)
    for between in (b":", b": "):
        if b'"model"' + between + spelled in raw:
            return raw.replace(b'"model"' + between + spelled, b'"model"' + between + shown)
    return orjson.dumps({**content, "model": shown_model})


def _written(operation: str, content: dict[str, Any], usage: Usage, shown_model: str) -> bytes:
    made_up = _made_up(operation)
    kept = {name: value for name, value in content.items() if value or name not in made_up}
    written = {**made_up, **kept}
    if "model" in _ALWAYS[operation]:
        written["model"] = shown_model
    if operation in COUNTED:
        written["usage"] = _shown_usage(operation, content, usage)
    return orjson.dumps(written)


def _made_up(operation: str) -> dict[str, Any]:
    """What SDKs count on, and old servers leave out."""
    now = time.time_ns()
    facts: dict[str, Any] = {
        "id": f"{'modr' if operation == 'moderations' else 'chatcmpl'}-{now:x}",
        "created": now // 10**9,
        "object": _OBJECTS.get(operation),
    }
    return {name: value for name, value in facts.items() if name in _ALWAYS[operation]}


def _shown_usage(operation: str, content: dict[str, Any], usage: Usage) -> Any:
    if "choices" in content and isinstance(content.get("usage"), dict) and not usage.estimated:
        return content["usage"]
    shown: dict[str, Any] = usage.as_openai()
    if operation in ("embeddings", "rerank"):
        del shown["completion_tokens"]
    return shown
