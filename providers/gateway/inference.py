"""The way of every inference call: who asks, for which model; a slot; the model server; the answer; the meter."""

from __future__ import annotations

import asyncio
from time import monotonic

import structlog
from django.conf import settings
from starlette.types import Receive, Scope, Send

from providers import breakers, slots
from providers.errors import ProviderError
from providers.gateway.callers import caller_of
from providers.gateway.calls import Call, includes_usage, named_model
from providers.gateway.downstream import Downstream
from providers.gateway.openai_errors import refusal_of
from providers.gateway.operations import Operation
from providers.routing import target_for
from tenants.problems import Problem

log = structlog.get_logger(__name__)


async def serve(operation: Operation, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one call. Raises Problem, ProviderError or CallerGone for what is refused before anything is dialled."""
    arrived = monotonic()
    call = await _understand(operation, scope, receive, arrived)
    await call.enter()
    downstream = Downstream(receive, send, arrived, call.headers if call.wants_stream else None)
    try:
        await _carry_out(operation, call, downstream)
        call.meter("succeeded")
    except ProviderError as error:
        call.meter(error.code)
        await downstream.refuse(refusal_of(error), call.headers())
    except asyncio.CancelledError:
        call.meter("cancelled")
        await _after_cancel(call, downstream)
    except Exception:  # the outermost loop of a call: a mistake of ours must not look like an answer
        log.exception("call_failed", operation=operation.name)
        call.meter("internal_error")
        await downstream.refuse(refusal_of(Problem("internal_error")), call.headers())
    finally:
        downstream.close()


async def _understand(operation: Operation, scope: Scope, receive: Receive, arrived: float) -> Call:
    caller = await caller_of(scope, "infer")
    body = await operation.read(scope, receive)
    name = named_model(body)
    target = await target_for(caller, name, operation.name)
    operation.check(body)
    return Call(
        operation=operation.name,
        caller=caller,
        target=target,
        body=body,
        arrived=arrived,
        shown_model=name or target.model_name or "",
        wants_stream=operation.is_streamed(body),
        wants_usage=includes_usage(body),
    )


async def _carry_out(operation: Operation, call: Call, downstream: Downstream) -> None:
    breakers.check(call.target)
    slot = await slots.take(
        slots.place_of(call.target),
        holder=f"call-{call.number}",
        wait_seconds=settings.GATEWAY_QUEUE_SECONDS,
        may_wait=settings.GATEWAY_QUEUE_MAX,
    )
    call.waited_ms = slot.waited_ms
    try:
        async with breakers.Trial(call.target):
            await (operation.stream if call.wants_stream else operation.answer)(call, downstream)
    finally:
        slot.release()


async def _after_cancel(call: Call, downstream: Downstream) -> None:
    """The call was ended from outside: by the server that runs us, or by its own caller's leaving."""
    task = asyncio.current_task()
    if downstream.closed_by is None or task is None:
        raise asyncio.CancelledError
    task.uncancel()
    if downstream.closed_by == "stopping":
        await downstream.refuse(refusal_of(Problem("unavailable")), call.headers())
