"""The steps of a validation, one after the other, against the live server. No database, no state: facts come out.

`policy, dns, connect, tls` are read off one connection; `identify, auth, models` ask the server; `infer` makes one
small real call per model, and may take as long as the model takes to load. The first step that fails ends the run,
but one model that fails does not keep the others from being tried, unless the server itself has gone.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from providers.errors import ProviderError
from providers.kinds.base import FoundModel, Identity, Kind, ProbeResult
from providers.upstream.client import UpstreamClient
from providers.upstream.target import Target
from providers.validation.diagnosis import Diagnosis, Facts, diagnose
from providers.validation.evidence import Evidence
from providers.validation.reach import walk
from providers.validation.trials import ToProbe, try_model

__all__ = ["LEVELS", "Finding", "Outcome", "ToProbe", "run_steps"]

LEVELS: Final = ("connect", "auth", "models", "infer")
# Failures that every other model would meet as well.
_OF_THE_SERVER: Final = frozenset(
    {"destination_forbidden", "dns_failed", "connection_refused", "connection_refused_loopback", "connect_timeout"}
    | {"tls_wrong_version", "tls_untrusted", "auth_failed"}
)


@dataclass(frozen=True)
class Finding:
    """A step that has ended; `code` is "ok" or one of docs/diagnosis.md."""

    step: str
    ok: bool
    code: str
    elapsed_ms: int
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        facts = {"step": self.step, "ok": self.ok, "code": self.code, "elapsed_ms": self.elapsed_ms}
        return {**facts, "evidence": dict(self.evidence)} if self.evidence else facts


@dataclass(frozen=True)
class Outcome:
    """What the run found out. `diagnosis` None: it passed. `found` None: it did not come to list the models."""

    diagnosis: Diagnosis | None
    server: Mapping[str, Any]
    found: Sequence[FoundModel] | None
    probed: Sequence[ProbeResult] = ()


async def run_steps(
    target: Target,
    kind: Kind,
    level: str,
    models: Sequence[tuple[str, str] | ToProbe],
    client: UpstreamClient,
) -> AsyncGenerator[Finding | Outcome, None]:
    """Yield each finding as its step ends, then the outcome. Raises nothing that a server can cause.

    `models` are what level infer tries, as (name at the server, type or ""); with none, the first found of each type.
    """
    run = _Run(target, kind, client)
    async for finding in run.findings(level, [ToProbe(*model) for model in models]):
        yield finding
    yield run.outcome()


class _Run:
    def __init__(self, target: Target, kind: Kind, client: UpstreamClient) -> None:
        self._target = target
        self._kind = kind
        self._client = client
        self._shown = Evidence(target)
        self._addresses: tuple[str, ...] = ()
        self._identity = Identity()
        self._found: list[FoundModel] | None = None
        self._probed: list[ProbeResult] = []
        self._diagnosis: Diagnosis | None = None

    def outcome(self) -> Outcome:
        return Outcome(self._diagnosis, self._identity.as_json(), self._found, tuple(self._probed))

    async def findings(self, level: str, models: Sequence[ToProbe]) -> AsyncIterator[Finding]:
        async for finding in self._way():
            yield finding
        asked = {"identify": self._identify, "auth": self._authenticate, "models": self._list}
        for step in list(asked)[: {"connect": 0, "auth": 2}.get(level, 3)]:
            if self._diagnosis is None:
                yield await self._take(step, asked[step])
        if level == "infer" and self._diagnosis is None:
            async for finding in self._infer([self._typed(model) for model in models] or self._one_per_type()):
                yield finding

    # --- getting there ---
    async def _way(self) -> AsyncIterator[Finding]:
        way = await walk(self._client, self._target)
        self._addresses = way.addresses
        passed = way.steps[:-1] if way.fault else way.steps
        for step in passed:
            yield Finding(step.step, True, "ok", step.elapsed_ms, step.evidence)
        if way.fault is not None:
            last = way.steps[-1]
            yield self._failed(last.step, way.fault, last.elapsed_ms)

    # --- asking ---
    async def _take(
        self, step: str, take: Callable[[], Awaitable[dict[str, Any]]], model: ToProbe | None = None
    ) -> Finding:
        started = time.monotonic()
        try:
            evidence = await take()
        except ProviderError as fault:
            return self._failed(step, fault, _ms_since(started), model)
        return Finding(step, True, "ok", _ms_since(started), self._shown.facts(evidence))

    async def _identify(self) -> dict[str, Any]:
        self._identity = await self._kind.identify(self._client, self._target)
        return self._identity.as_json()

    async def _authenticate(self) -> dict[str, Any]:
        await self._kind.check_auth(self._client, self._target)
        return {"key_sent": self._has_key}

    async def _list(self) -> dict[str, Any]:
        self._found = await self._kind.list_models(self._client, self._target)
        return {"count": len(self._found)}

    # --- trying ---
    async def _infer(self, models: Sequence[ToProbe]) -> AsyncIterator[Finding]:
        for model in models:

            async def take(model: ToProbe = model) -> dict[str, Any]:
                result = await try_model(self._client, self._target, self._kind, model, self._found or ())
                self._probed.append(result)
                return result.as_json()

            finding = await self._take("infer", take, model)
            yield finding
            if finding.code in _OF_THE_SERVER:
                return

    def _typed(self, model: ToProbe) -> ToProbe:
        """A form names models without their type: it is then what the server lists, else that of most models."""
        if model.type:
            return model
        listed = next((found.type for found in self._found or () if found.upstream_name == model.name), None)
        return model._replace(type=listed or "llm")

    def _one_per_type(self) -> list[ToProbe]:
        firsts: dict[str, str] = {}
        for found in self._found or ():
            if found.type is not None:
                firsts.setdefault(found.type, found.upstream_name)
        return [ToProbe(name, model_type) for model_type, name in firsts.items()]

    # --- failing ---
    def _failed(self, step: str, fault: ProviderError, elapsed_ms: int, model: ToProbe | None = None) -> Finding:
        """The finding of a failed step. The first one is the run's diagnosis."""
        named = {"model": model.name, "type": model.type} if model else {}
        waiting = {"retry_after_seconds": fault.retry_after_seconds} if fault.retry_after_seconds is not None else {}
        evidence = {} if step == "policy" else self._shown.facts({**named, **waiting, **fault.evidence})
        if self._diagnosis is None:
            self._diagnosis = self._redacted(diagnose(fault, self._facts(model)))
        return Finding(step, False, fault.code, elapsed_ms, evidence)

    def _facts(self, model: ToProbe | None) -> Facts:
        return Facts(
            base_url=self._target.base_url,
            label=self._kind.label,
            has_key=self._has_key,
            addresses=self._addresses,
            model=model.name if model else None,
            model_type=model.type if model else None,
            found=[found.upstream_name for found in self._found or ()],
        )

    def _redacted(self, diagnosis: Diagnosis) -> Diagnosis:
        return Diagnosis(diagnosis.code, self._shown.text(diagnosis.message), diagnosis.remedy)

    @property
    def _has_key(self) -> bool:
        return any(name.lower() == "authorization" for name in self._target.headers)


def _ms_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
