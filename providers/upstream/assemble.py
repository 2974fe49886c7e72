"""The chunks of a streamed chat or completion put together into the one object a unary call would have answered."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from providers.upstream.usage import Usage, estimated_usage, usage_of

# Parts of a message that arrive piece by piece as text.
_TEXT_PARTS: Final = ("content", "reasoning", "reasoning_content", "refusal")
_OBJECTS: Final = {"chat.completions": "chat.completion", "completions": "text_completion"}


class Assembler:
    """Give it every chunk in order, then ask for `result()`.

    What servers leave out is made up: `id`, `created`, a role, a finish reason, and `usage` as an estimate.
    `prompt` is what was sent (messages or text), for that estimate.
    """

    def __init__(self, operation: str = "chat.completions", *, model: str = "", prompt: object = None) -> None:
        self._object = _OBJECTS[operation]
        self._model = model
        self._prompt = prompt
        self._head: dict[str, Any] = {}
        self._head_lacks: tuple[str, ...] = ("id", "created", "model", "system_fingerprint", "service_tier")
        self._choices: dict[int, _Choice] = {}
        self._reported: Usage | None = None

    def add(self, chunk: Mapping[str, Any]) -> None:
        found = {name: chunk[name] for name in self._head_lacks if chunk.get(name)}
        if found:
            self._head.update(found)
            self._head_lacks = tuple(name for name in self._head_lacks if name not in found)
        if chunk.get("usage"):
            self._reported = usage_of(chunk) or self._reported  # the last one counts: some servers count up
        choices = chunk.get("choices")
        for place, choice in enumerate(choices if isinstance(choices, list) else ()):
            if isinstance(choice, dict):
                index = choice.get("index")
                index = index if isinstance(index, int) else place
                self._choice(index).add(choice)

    def add_text(self, text: str) -> None:
        """What a chunk that says this of its first choice, and nothing else, would add."""
        self._choice(0).add_text("content", text)

    def _choice(self, index: int) -> _Choice:
        known = self._choices.get(index)
        if known is None:
            known = self._choices[index] = _Choice()
        return known

    @property
    def is_finished(self) -> bool:
        """True when every choice seen so far has told why it ended."""
        return bool(self._choices) and all(choice.finish_reason for choice in self._choices.values())

    @property
    def usage(self) -> Usage:
        """As the server reported it, else estimated from the texts."""
        if self._reported is not None:
            return self._reported
        return estimated_usage(self._prompt, [choice.all_text() for choice in self._choices.values()])

    def result(self) -> dict[str, Any]:
        is_chat = self._object == "chat.completion"
        choices = sorted(self._choices.items())
        return {
            "id": self._head.get("id") or f"{'chatcmpl' if is_chat else 'cmpl'}-{time.time_ns():x}",
            "object": self._object,
            "created": self._head.get("created") or int(time.time()),
            **{name: value for name, value in self._head.items() if name not in ("id", "created", "model")},
            "model": self._model or self._head.get("model", ""),
            "choices": [choice.as_chat(i) if is_chat else choice.as_text(i) for i, choice in choices],
            "usage": self.usage.as_openai(),
        }


class _Choice:
    def __init__(self) -> None:
        self.finish_reason: str | None = None
        self._role = "assistant"
        self._parts: dict[str, list[str]] = {}
        self._calls: dict[int, dict[str, Any]] = {}
        self._function: dict[str, str] = {}
        self._logprobs: list[Any] = []

    def add(self, choice: Mapping[str, Any]) -> None:
        self.finish_reason = choice.get("finish_reason") or self.finish_reason
        self.add_text("content", choice.get("text"))
        logprobs = choice.get("logprobs")
        if isinstance(logprobs, dict) and isinstance(logprobs.get("content"), list):
            self._logprobs += logprobs["content"]
        delta = choice.get("delta") or choice.get("message")
        if isinstance(delta, dict):
            self._add_delta(delta)

    def _add_delta(self, delta: Mapping[str, Any]) -> None:
        for name, said in delta.items():
            if not said:
                continue
            if name in _TEXT_PARTS:
                self.add_text(name, said)
            elif name == "role":
                self._role = said
            elif name == "tool_calls":
                self._add_calls(said)
            elif name == "function_call" and isinstance(said, dict):
                _join_function(self._function, said)

    def add_text(self, name: str, text: Any) -> None:
        if isinstance(text, str) and text:
            self._parts.setdefault(name, []).append(text)

    def _add_calls(self, calls: Any) -> None:
        for place, call in enumerate(calls if isinstance(calls, list) else ()):
            if isinstance(call, dict):
                self._add_call(call, place)

    def _add_call(self, piece: Mapping[str, Any], place: int) -> None:
        index = piece.get("index")
        whole = self._calls.setdefault(index if isinstance(index, int) else place, {"function": {}})
        whole.update({name: piece[name] for name in ("id", "type") if piece.get(name)})
        if isinstance(piece.get("function"), dict):
            _join_function(whole["function"], piece["function"])

    def all_text(self) -> list[Any]:
        return [*("".join(pieces) for pieces in self._parts.values()), [*self._calls.values()], self._function]

    def as_chat(self, index: int) -> dict[str, Any]:
        message: dict[str, Any] = {"role": self._role, "content": None}
        message.update({name: "".join(pieces) for name, pieces in self._parts.items()})
        if self._calls:
            message["tool_calls"] = [_whole_call(call, place) for place, call in sorted(self._calls.items())]
        if self._function:
            message["function_call"] = {"name": "", "arguments": "", **self._function}
        if len(message) == 2 and message["content"] is None:
            message["content"] = ""
        logprobs = {"content": self._logprobs} if self._logprobs else None
        return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": self._finish()}

    def as_text(self, index: int) -> dict[str, Any]:
        text = "".join(self._parts.get("content", ()))
        return {"index": index, "text": text, "logprobs": None, "finish_reason": self._finish()}

    def _finish(self) -> str:
        """LocalAI says `tool_calls` at times where none came (its issue 6218)."""
        if self.finish_reason == "tool_calls" and not self._calls:
            return "stop"
        return self.finish_reason or "stop"


def _join_function(whole: dict[str, str], piece: Mapping[str, Any]) -> None:
    name, arguments = piece.get("name"), piece.get("arguments")
    if isinstance(name, str) and name and whole.get("name") != name:  # LocalAI may say the name twice
        whole["name"] = whole.get("name", "") + name
    if isinstance(arguments, str):
        whole["arguments"] = whole.get("arguments", "") + arguments


def _whole_call(call: Mapping[str, Any], place: int) -> dict[str, Any]:
    function = {"name": "", "arguments": "", **call["function"]}
    return {"id": call.get("id") or f"call_{place}", "type": call.get("type") or "function", "function": function}


def chunk_of(completion: Mapping[str, Any]) -> dict[str, Any]:
    """One chunk that says all of a unary answer, for a server that was asked to stream and did not."""
    choices = []
    for choice in completion.get("choices") or ():
        one = dict(choice)
        if isinstance(one.get("message"), dict):
            one["delta"] = _numbered(one.pop("message"))
        choices.append(one)
    chunk_object = "text_completion" if completion.get("object") == "text_completion" else "chat.completion.chunk"
    return {**completion, "object": chunk_object, "choices": choices}


def _numbered(message: Mapping[str, Any]) -> dict[str, Any]:
    """Tool calls carry an index in a chunk and none in a message."""
    calls = message.get("tool_calls")
    if not isinstance(calls, list):
        return dict(message)
    return {**message, "tool_calls": [{"index": place, **call} for place, call in enumerate(calls)]}
