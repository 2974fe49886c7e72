"""One call of `/v1` on its way: who asked for what, where it goes, how long it took, what it used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from time import monotonic
from typing import Any

import orjson

from providers import breakers, limits, usage
from providers.errors import CallerError
from providers.gateway.openai_errors import Headers, invalid
from providers.kinds import KINDS
from providers.upstream.target import Target
from providers.upstream.wire import Usage, estimated_tokens, estimated_usage
from tenants.authentication import Caller

MAX_DEPTH = 254  # that orjson writes; it reads more
USUAL_COMPLETION_TOKENS = 256  # taken from a limit in advance where the caller set no maximum

_numbers = count(1)
_GENERATES = frozenset({"chat.completions", "completions"})
_PROMPTS = {
    "chat.completions": "messages",
    "completions": "prompt",
    "embeddings": "input",
    "rerank": "documents",
    "moderations": "input",
    "images.generations": "prompt",
    "audio.speech": "input",
    "audio.transcriptions": "prompt",
    "audio.translations": "prompt",
}


@dataclass(slots=True)
class Call:
    """`arrived` is a monotonic time; everything of it is the caller's but `target`."""

    operation: str
    caller: Caller
    target: Target
    body: dict[str, Any]
    arrived: float
    shown_model: str  # as the caller named it
    wants_stream: bool
    wants_usage: bool  # in the stream
    waited_ms: int = 0
    first_token_ms: int | None = None
    count: Callable[[], Usage] | None = None  # what it has used so far, once there is something to count
    admission: limits.Admission = limits.OPEN
    number: int = field(default_factory=_numbers.__next__)

    def headers(self) -> Headers:
        ours = [(b"x-provider", str(self.target.provider_id).encode()), (b"x-queue-ms", b"%d" % self.waited_ms)]
        return ours + self.admission.headers() if self.admission is not limits.OPEN else ours

    async def enter(self) -> None:
        """Pass the caller's rate limits. Raises RateLimited."""
        bounds = self.caller.bounds
        if bounds:
            are_tokens_limited = any(bound.limits.tokens_per_minute is not None for bound in bounds)
            tokens = self._expected_tokens() if are_tokens_limited else 1
            self.admission = await limits.admit(bounds, tokens=tokens, is_stream=self.wants_stream)

    def _expected_tokens(self) -> int:
        """What was sent, as a guess, and what may come: as much as the caller allows, or what is usual."""
        asked = estimated_tokens(self.prompt())
        if self.operation not in _GENERATES:
            return asked
        allowed = self.body.get("max_completion_tokens") or self.body.get("max_tokens")
        return asked + (allowed if isinstance(allowed, int) and allowed > 0 else USUAL_COMPLETION_TOKENS)

    def prompt(self) -> object:
        return self.body.get(_PROMPTS[self.operation])

    def upstream_body(self) -> bytes:
        """The caller's body with the server's name of the model and the entry's own defaults. Written anew, so that
        no field given twice means one thing here and another there. Raises CallerError `malformed_json`."""
        body = {**self._defaults(), **self.body, **self.fixed_fields(), "model": self.target.upstream_name}
        if self.wants_stream and KINDS[self.target.kind].counts_streams:
            body["stream_options"] = {**(self.body.get("stream_options") or {}), "include_usage": True}
        try:
            return orjson.dumps(body)
        except orjson.JSONEncodeError:
            raise CallerError("malformed_json", f"The body is nested deeper than {MAX_DEPTH} levels.") from None

    def form_fields(self) -> dict[str, str]:
        """What stands in a form to be sent in place of the caller's texts, or besides."""
        defaults = {name: value for name, value in self._defaults().items() if name not in self.body}
        texts = {
            name: str(value).lower() if value is True or value is False else str(value)
            for name, value in defaults.items()
            if isinstance(value, str | int | float)
        }
        return {**texts, **self.fixed_fields(), "model": self.target.upstream_name or ""}

    def fixed_fields(self) -> dict[str, str]:
        return KINDS[self.target.kind].fixed_fields(self.operation, self.target.upstream_name or "", self.body)

    def _defaults(self) -> dict[str, Any]:
        ours = ("model", "stream", "stream_options")
        defaults = {name: value for name, value in self.target.parameters.items() if name not in ours}
        if "max_completion_tokens" in self.body:
            defaults.pop("max_tokens", None)
        return defaults

    def note_first_token(self) -> None:
        if self.first_token_ms is None:
            self.first_token_ms = int((monotonic() - self.arrived) * 1000)
            breakers.note_first_token(self.target)

    def estimate(self, completion_tokens: int) -> Usage:
        asked = estimated_usage(self.prompt(), None).prompt_tokens
        return Usage(asked, completion_tokens, asked + completion_tokens, estimated=True)

    def meter(self, outcome: str) -> None:
        """Note the call as ended. A stream that was cut has used what was passed on until then."""
        target = self.target
        is_counted = outcome == "succeeded" or self.first_token_ms is not None
        used = self.count() if self.count is not None and is_counted else None
        self.admission.end(used.total_tokens if used else 0)
        usage.record(
            usage.Call(
                tenant_id=self.caller.tenant_id,
                model_name=target.model_name or self.shown_model,
                operation=self.operation,
                outcome=outcome,
                total_ms=int((monotonic() - self.arrived) * 1000),
                first_token_ms=self.first_token_ms,
                prompt_tokens=used.prompt_tokens if used else None,
                completion_tokens=used.completion_tokens if used else None,
                is_estimated=used.estimated if used else False,
                api_key_id=self.caller.api_key_id,
                provider_id=target.provider_id,
                model_entry_id=target.model_entry_id,
            )
        )


def named_model(body: dict[str, Any]) -> str | None:
    name = body.get("model")
    if name is not None and not isinstance(name, str):
        raise invalid("model", "`model` must be a string.")
    return name or None


def is_streamed(body: dict[str, Any]) -> bool:
    wanted = body.get("stream")
    if wanted is not None and not isinstance(wanted, bool):
        raise invalid("stream", "`stream` must be true or false.")
    return bool(wanted)


def includes_usage(body: dict[str, Any]) -> bool:
    options = body.get("stream_options")
    if options is not None and not isinstance(options, dict):
        raise invalid("stream_options", "`stream_options` must be an object.")
    wanted = options.get("include_usage") if options else None
    if wanted is not None and not isinstance(wanted, bool):
        raise invalid("stream_options", "`stream_options.include_usage` must be true or false.")
    return bool(wanted)
