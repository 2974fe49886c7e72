"""What an inference call of `/v1` can ask for: how its body is read and checked, and how its answer is passed on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.types import Receive, Scope

from providers.gateway.bodies import read_object
from providers.gateway.calls import Call
from providers.gateway.downstream import Downstream
from providers.gateway.streams import relay_stream
from providers.gateway.whole import answer_whole

Body = dict[str, Any]
PassOn = Callable[[Call, Downstream], Awaitable[None]]


def never(_body: Body) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Operation:
    """`check` raises Problem for what no server could make sense of; the rest is the model server's to judge.

    `is_streamed` tells from the body whether the answer is to come as events; then `stream` passes it on, else
    `answer`.
    """

    name: str
    check: Callable[[Body], None]
    is_streamed: Callable[[Body], bool] = never
    read: Callable[[Scope, Receive], Awaitable[Body]] = read_object
    answer: PassOn = answer_whole
    stream: PassOn = relay_stream
