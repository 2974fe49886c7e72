"""The first steps of a validation, read off one connection: may it be dialled, does it resolve, listen, speak TLS."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from providers.errors import DestinationForbidden, UpstreamError
from providers.upstream.client import ConnectTrace, UpstreamClient
from providers.upstream.target import Target

REFUSAL_SECONDS: Final = 1.0  # a forbidden address answers after this time, whatever is there


@dataclass(frozen=True)
class Taken:
    """A step on the way to the server, and what it showed."""

    step: str
    elapsed_ms: int
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Way:
    """The steps that apply and were taken; with a `fault`, the last one is where it stands."""

    steps: tuple[Taken, ...]
    addresses: tuple[str, ...] = ()
    fault: UpstreamError | None = None


async def walk(client: UpstreamClient, target: Target) -> Way:
    """Connect to the target and hang up. A forbidden address shows nothing but that, always after the same time."""
    started = time.monotonic()
    trace = ConnectTrace()
    try:
        await client.connect(target, trace)
    except DestinationForbidden as refusal:
        await asyncio.sleep(started + REFUSAL_SECONDS - time.monotonic())
        return Way((Taken("policy", round(REFUSAL_SECONDS * 1000)),), fault=refusal)
    except UpstreamError as fault:
        return Way(_taken(trace), trace.addresses, fault)
    return Way(_taken(trace), trace.addresses)


def _taken(trace: ConnectTrace) -> tuple[Taken, ...]:
    return tuple(Taken(step, elapsed_ms, _evidence(step, trace)) for step, elapsed_ms in trace.steps())


def _evidence(step: str, trace: ConnectTrace) -> dict[str, Any]:
    if step == "dns" and trace.addresses:
        return {"addresses": list(trace.addresses)}
    return {"address": trace.peer} if step == "connect" and trace.peer else {}
