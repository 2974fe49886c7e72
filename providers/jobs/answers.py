"""What the model server said, read as the result of a job. Pure: chunks and bodies in, a result or an error out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import orjson
from django.conf import settings

from providers.errors import Malformed
from providers.jobs.alike import Alike
from providers.kinds import KINDS
from providers.upstream.target import Target
from providers.upstream.wire import (
    COUNTED,
    Assembler,
    Frame,
    Usage,
    error_in_frame,
    estimated_usage,
    is_meaningful,
    usage_of,
)

_CONTENT_ALONE: Final = {"content"}
_PROMPTS: Final = ("messages", "prompt", "documents", "input")  # what an input asks about, by whatever name


def request_body(operation: str, content: Mapping[str, Any], target: Target, *, streams: bool) -> bytes:
    """What is sent: the model's own defaults, the caller's input over them, and the name the server knows."""
    fixed = KINDS[target.kind].fixed_fields(operation, target.upstream_name or "", content)
    body = {**target.parameters, **content, **fixed, "model": target.upstream_name}
    options = body.pop("stream_options", None) or {}
    if streams:
        body["stream"] = True
        if KINDS[target.kind].counts_streams:
            body["stream_options"] = {**options, "include_usage": True}
    return orjson.dumps(body)


class Stream:
    """Feed it frames in order; it gives back what readers are shown, and at the end the whole as one body.

    Chunks that say only the role are held back until the first that says something: until then an attempt can fail
    without anybody having seen it.
    """

    def __init__(self, operation: str, *, model: str, prompt: object) -> None:
        self.has_begun = False
        self._assembler = Assembler(operation, model=model, prompt=prompt)
        self._model = model
        self._held: list[bytes] = []
        self._texts: list[str] = []  # of plain chunks, to be put together as one
        self._room_bytes = settings.JOB_RESULT_MAX_BYTES
        self._alike = Alike()

    def read(self, frames: Iterable[Frame]) -> Iterator[bytes]:
        """The deltas to show now. Raises ProviderError for an error inside the stream, after what came before it."""
        for frame in frames:
            known = self._alike.read(frame.raw) if self.has_begun else None
            if known is not None:
                text, delta = known
                self._take_room(delta)
                self._texts.append(text)  # most chunks: a hundred of them go into the assembler as one
                yield delta
                continue
            failure = error_in_frame(frame)
            if failure is not None:
                raise failure
            chunk = frame.parsed
            if chunk is not None and "choices" in chunk:  # else the end mark, a ping, or an event of the server's own
                yield from self._parsed(chunk, frame)

    def _parsed(self, chunk: Mapping[str, Any], frame: Frame) -> Iterable[bytes]:
        data = frame.data
        self._take_room(data)
        plain = _plain_text(chunk) if self.has_begun else None
        if plain is None:
            return self._apart(chunk, data)
        self._texts.append(plain)
        shown = self._renamed(chunk, data)
        self._alike.learn(frame.raw, shown, plain)
        return (shown,)

    def _take_room(self, data: bytes) -> None:
        self._room_bytes -= len(data)
        if self._room_bytes < 0:
            raise Malformed(message=f"The answer is larger than {settings.JOB_RESULT_MAX_BYTES} bytes.")

    def _apart(self, chunk: Mapping[str, Any], data: bytes) -> Iterable[bytes]:
        self._assemble_texts()
        self._assembler.add(chunk)
        self._held.append(self._renamed(chunk, data))
        if not self.has_begun and not is_meaningful(chunk):
            return ()
        self.has_begun = True
        shown, self._held = self._held, []
        return shown

    def _renamed(self, chunk: Mapping[str, Any], data: bytes) -> bytes:
        """The same bytes with the name the caller used. Quotes inside texts are escaped: only the field matches."""
        named = chunk.get("model")
        if named == self._model:
            return data
        shown, spelled = orjson.dumps(self._model), orjson.dumps(named)
        for between in (b":", b": "):
            field = b'"model"' + between
            if field + spelled in data:
                return data.replace(field + spelled, field + shown, 1)
        return orjson.dumps({**chunk, "model": self._model})

    def _assemble_texts(self) -> None:
        if self._texts:
            self._assembler.add_text("".join(self._texts))
            self._texts = []

    @property
    def usage(self) -> Usage:
        self._assemble_texts()
        return self._assembler.usage

    def result(self) -> dict[str, Any]:
        self._assemble_texts()
        return self._assembler.result()


def _plain_text(chunk: Mapping[str, Any]) -> str | None:
    """The text of a chunk of one choice that says nothing else; None for every other."""
    choices = chunk["choices"]
    if type(choices) is not list or len(choices) != 1 or chunk.get("usage") or type(choices[0]) is not dict:
        return None
    choice = choices[0]
    delta = choice.get("delta")
    if type(delta) is not dict or delta.keys() != _CONTENT_ALONE or choice.get("index") != 0:
        return None
    if choice.get("finish_reason") or choice.get("logprobs"):
        return None
    content = delta["content"]
    return content if type(content) is str else None


def prompt_of(content: Mapping[str, Any]) -> object:
    """What an input asks about."""
    return next((content[name] for name in _PROMPTS if name in content), None)


def with_usage(operation: str, content: dict[str, Any], *, model: str, asked: object) -> tuple[dict[str, Any], Usage]:
    """The answer under the name the caller used, with `usage` estimated where the server did not count and answers of
    this operation show it."""
    usage = usage_of(content) or estimated_usage(asked, content.get("choices"))
    shown = {**content, "model": model} if operation in COUNTED or "model" in content else dict(content)
    if operation in COUNTED and (usage.estimated or not content.get("usage")):
        shown["usage"] = usage.as_openai()
        if "choices" not in content:
            del shown["usage"]["completion_tokens"]
    return shown, usage
