"""A model server's event stream -> what the caller sees: the same bytes, but for what must change. Pure, no I/O.

Frames that came together are passed on together, unparsed. They are looked into only until the first meaningful one,
and where they show signs of something else than ordinary tokens: an error, an end, a count.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import orjson

from providers.errors import ProviderError
from providers.upstream.wire import Frame, Usage, error_in_frame, finishes, is_meaningful, usage_of

DONE: Final = b"data: [DONE]\n\n"
LAST_FRAMES: Final = 3  # the finish, the count and the end mark
_NULL_CONTENTS: Final = (b'"content":null', b'"content": null')  # as Go and C++, and as Python spell it
_EMPTY_CONTENT: Final = b'"content":""'
_OBJECTS: Final = {"chat.completions": "chat.completion.chunk", "completions": "text_completion"}


class StreamRelay:
    """Feed it the server's frames; pass on what it gives back.

    `started` turns true with the first meaningful frame; nothing is given back before. `failure` is set when the
    stream has gone wrong: what was given back until then is good. `ended` is set once `[DONE]` is out.
    """

    def __init__(
        self,
        *,
        operation: str,
        shown_model: str,
        wants_usage: bool,
        estimate: Callable[[int], Usage],
    ) -> None:
        self.started = False
        self.ended = False
        self.failure: ProviderError | None = None
        self.usage: Usage | None = None
        self._object = _OBJECTS[operation]
        self._shown_model = shown_model
        self._wants_usage = wants_usage
        self._estimate = estimate
        self._held: list[bytes] = []
        self._head: dict[str, Any] = {}  # id, created and object of the first chunk, for those we make ourselves
        self._is_skewed = False  # an old server: every chunk lacks what OpenAI's always have
        self._model_from = self._model_to = b""
        self._tokens = 0  # chunks with content: servers send one for each token
        self._has_tool_calls = False
        self._is_finished = False
        self._usage_sent = False

    def feed(self, frames: list[Frame]) -> bytes:
        """What to pass on now, maybe nothing."""
        if self.ended or self.failure:
            return b""
        return self._together(frames) if self.started else self._each(frames)

    def finish(self) -> bytes:
        """What is missing once the server has closed a stream that was complete but for its end mark."""
        return b"" if self.ended or self.failure else self._end()

    def final_usage(self) -> Usage:
        """As the server counted, or estimated."""
        return self.usage or self._estimate(self._tokens)

    # --- Together ---
    def _together(self, frames: list[Frame]) -> bytes:
        """All in one where all are plain; else all but the last few, among which the end of a stream stands."""
        for count in (len(frames), len(frames) - LAST_FRAMES):
            if count > 0 and not self._is_skewed:
                block = frames[0].raw if count == 1 else b"".join([frame.raw for frame in frames[:count]])
                if self._is_plain(block, count):
                    self._tokens += count
                    return self._renamed(block) + (self._each(frames[count:]) if count < len(frames) else b"")
        return self._each(frames)

    def _is_plain(self, block: bytes, frames: int) -> bool:
        """Nothing but tokens: no error, end, count or finish in it, in the spelling of Go and C++ or of Python."""
        if b"rror" in block or b"[DONE]" in block or b'"detail"' in block or block.count(b'"choices"') != frames:
            return False
        if not (_always_null(block, b'"finish_reason":') and _always_null(block, b'"usage":')):
            return False
        if b'"tool_calls":' in block:
            self._has_tool_calls = True
        return True

    def _renamed(self, block: bytes) -> bytes:
        if self._model_from:
            block = block.replace(self._model_from, self._model_to)
        if b"null" in block and b'"tool_calls"' not in block:
            for null_content in _NULL_CONTENTS:
                block = block.replace(null_content, _EMPTY_CONTENT)
        return block

    # --- One by one ---
    def _each(self, frames: list[Frame]) -> bytes:
        out: list[bytes] = []
        for place, frame in enumerate(frames):
            if self.started and not self._is_skewed and self._is_plain(frame.raw, 1):
                self._tokens += 1
                out.append(self._renamed(frame.raw))
                continue
            self.failure = error_in_frame(frame)
            if self.failure:
                break
            had_started = self.started
            out.append(self._passed_on(frame))
            if self.ended or self.failure:
                break
            if self.started and not had_started and place + 1 < len(frames):
                return b"".join([*out, self._together(frames[place + 1 :])])
        return b"".join(out)

    def _passed_on(self, frame: Frame) -> bytes:
        if frame.is_done:
            return self._end()
        chunk = frame.parsed
        if chunk is None or "choices" not in chunk:
            return b""  # a ping, or an event of the server's own (LocalAI: mcp_tool_result) that breaks OpenAI's SDKs
        if not self._head:
            self._learn(chunk, frame.raw)
        if self.started:
            self._tokens += bool(chunk["choices"]) and not finishes(chunk)
            return self._shown(chunk, frame)
        self.started = is_meaningful(chunk)
        self._tokens += self.started and bool(chunk["choices"])
        self._held.append(self._shown(chunk, frame))
        if not self.started:
            return b""
        held, self._held = self._held, []
        return b"".join(held)

    def _learn(self, chunk: dict[str, Any], raw: bytes) -> None:
        """From the first chunk: what to call the others, and how the server spells its model's name."""
        self._is_skewed = not {"id", "object", "created", "model"} <= chunk.keys()
        self._head = {
            "id": chunk.get("id") or f"chatcmpl-{time.time_ns():x}",
            "object": self._object,
            "created": chunk.get("created") or int(time.time()),
        }
        named = chunk.get("model")
        if named == self._shown_model:
            return
        spelled = b"" if named is None else orjson.dumps(named)
        for between in (b":", b": "):
            if b'"model"' + between + spelled in raw:
                self._model_from = b'"model"' + between + spelled
                self._model_to = b'"model"' + between + orjson.dumps(self._shown_model)
                return
        self._is_skewed = True

    def _shown(self, chunk: dict[str, Any], frame: Frame) -> bytes:
        """The frame's own bytes where they will do, else the chunk written anew."""
        choices = chunk["choices"]
        counted = usage_of(chunk)
        self.usage = counted or self.usage
        if not choices and "usage" in chunk:
            return self._usage_frame(chunk) if counted and self._wants_usage else b""
        changed = self._is_skewed
        if chunk.get("usage") is not None:  # LocalAI before v4.2.5: zeros, or sums so far, in every chunk
            del chunk["usage"]
            changed = True
        for choice in choices or ():
            changed = self._mended(choice) or changed
        if not changed:
            return self._renamed(frame.raw)
        return self._written({**self._head, **chunk, "model": self._shown_model})

    def _mended(self, choice: Any) -> bool:
        if not isinstance(choice, dict):
            return False
        delta = choice.get("delta")
        if isinstance(delta, dict) and (delta.get("tool_calls") or delta.get("function_call")):
            self._has_tool_calls = True
        reason = choice.get("finish_reason")
        self._is_finished = self._is_finished or bool(reason)
        if reason in ("tool_calls", "function_call") and not self._has_tool_calls:
            choice["finish_reason"] = "stop"  # claimed, but nothing was called: clients would wait for a call
            return True
        if reason == "" or "finish_reason" not in choice:
            choice["finish_reason"] = None
            return True
        return False

    # --- The end ---
    def _end(self) -> bytes:
        self.ended = True
        out = b""
        if not self._is_finished:
            index = {"index": 0, "finish_reason": "stop"}
            empty: dict[str, Any] = {"text": ""} if self._object == "text_completion" else {"delta": {}}
            out += self._written({**self._head, "model": self._shown_model, "choices": [{**index, **empty}]})
        if self._wants_usage and not self._usage_sent:
            out += self._usage_frame({})
        return out + DONE

    def _usage_frame(self, chunk: dict[str, Any]) -> bytes:
        self._usage_sent = True
        usage = chunk.get("usage") or self.final_usage().as_openai()
        return self._written({**self._head, **chunk, "model": self._shown_model, "choices": [], "usage": usage})

    def _written(self, chunk: dict[str, Any]) -> bytes:
        return b"data: " + orjson.dumps(chunk) + b"\n\n"


def _always_null(block: bytes, key: bytes) -> bool:
    there = block.count(key)
    return not there or there == block.count(key + b"null") + block.count(key + b" null")
