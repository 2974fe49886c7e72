"""One attempt at a job: from the claim to the row that says how it ended.

Whatever stops the upstream call (a cancel, the deadline, a drain, a lost lease) closes its connection at once, and
nothing else: the row is settled in peace.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final, Literal

import orjson
import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError

from providers import breakers, limits
from providers.errors import DeadlineExceeded, LostClaim, PlatformError, ProviderError, WorkerLost
from providers.jobs.answers import Stream, prompt_of, request_body, with_usage
from providers.jobs.claims import Claimed
from providers.jobs.frames import FrameWriter, Lane
from providers.jobs.group_commit import GroupCommit
from providers.jobs.operations import OPERATIONS
from providers.jobs.retries import Again, after_failure
from providers.jobs.settlement import Settlement, Spent, note_first_token
from providers.kinds import KINDS
from providers.slots import Slot
from providers.upstream import client
from providers.upstream.target import Target
from providers.upstream.wire import Usage, classify_error, read_answer
from tenants.codes import CATALOGUE
from tenants.in_db import in_db

Reason = Literal["cancelled", "drained", "lost"]

SETTLE_SECONDS: Final = 120.0  # how long a result outlives a database that is away
SETTLE_PAUSE_SECONDS: Final = 0.5

log = structlog.get_logger(__name__)


class Attempt:
    """`run` once, in a task of its own. `stop` from the same loop; the first reason counts, and it ends the call only.

    `freed` is told when the call is over and has given back its slot.
    """

    def __init__(
        self,
        job: Claimed,
        target: Target | ProviderError,
        slot: Slot | None,
        *,
        writer: FrameWriter,
        finals: GroupCommit[Settlement, str],
        freed: Callable[[], None],
    ) -> None:
        self.job = job
        self.claimed_at = time.monotonic()
        self._target = target
        self._slot = slot
        self._finals = finals
        self._freed = freed
        self._lane: Lane = writer.open(
            job.id, attempt=job.attempt, token=job.token, box=job.box, seconds_left=job.seconds_left
        )
        self._stream: Stream | None = None
        self._usage: Usage | None = None
        self._began_at = 0.0
        self._first_token_ms: int | None = None
        self._task: asyncio.Task[Any] | None = None
        self.is_calling = True  # until only its row is left to be written
        self._reason: Reason | None = None

    # --- From outside ---
    def stop(self, reason: Reason) -> None:
        if self._reason is None and self.is_calling and self._task is not None:
            self._reason = reason
            self._task.cancel()

    async def run(self) -> str:
        """The state that the row has now; "" when the job is another worker's by now."""
        self._task = asyncio.current_task()
        self._lane.add("status", orjson.dumps({"state": "running", "attempt": self.job.attempt}))
        settlement = await self._come_to_an_end()
        state = await self._settle(settlement) if settlement is not None else ""
        if state == "queued":
            self._lane.add("status", orjson.dumps({"state": "queued", "attempt": self.job.attempt}))
        elif state:
            self._lane.end()
            await self._count_tokens()
        return state

    @property
    def seconds(self) -> float:
        """How long the model server was busy with it."""
        return time.monotonic() - self._began_at if self._began_at else 0.0

    # --- What it came to ---
    async def _come_to_an_end(self) -> Settlement | None:
        try:
            result = orjson.dumps(await self._ask())
            return Settlement(self.job, "succeeded", result=result, spent=self._spent())
        except LostClaim:
            return None
        except DeadlineExceeded as late:
            return self._final("expired", late)
        except ProviderError as error:
            return self._failed(error)
        except asyncio.CancelledError:
            if self._reason is None or self._task is None:  # it is the loop that ends
                raise
            self._task.uncancel()
            return self._stopped()
        except Exception as error:  # a mistake of our own must still end the job
            return self._failed(self._ours(error))
        finally:
            self._let_go()

    def _stopped(self) -> Settlement | None:
        if self._reason == "cancelled":
            return Settlement(self.job, "cancelled", spent=self._spent())
        if self._reason == "lost":
            return None
        if self.job.restart == "before_first_token" and self._shows_tokens:
            return self._final("failed", WorkerLost(message="The worker was stopped after the first token."), True)
        return Settlement(self.job, "queued", spent=None)  # drained: it costs the job nothing

    def _failed(self, error: ProviderError) -> Settlement:
        verdict = after_failure(
            error,
            failures=self.job.failures,
            most_failures=settings.JOB_MAX_ATTEMPTS,
            restart=self.job.restart,
            token_shown=self._shows_tokens,
        )
        if isinstance(verdict, Again):
            log.info("job_attempt_failed", job=str(self.job.id), attempt=self.job.attempt, code=error.code)
            delay_seconds = round(verdict.delay_seconds, 3)
            return Settlement(self.job, "queued", spent=self._spent(), delay_seconds=delay_seconds, burns=verdict.burns)
        return self._final("failed", error, verdict.is_retryable)

    def _final(self, state: str, error: ProviderError, is_retryable: bool | None = None) -> Settlement:
        told = error.as_job_error()
        if is_retryable is not None:
            told["retryable"] = is_retryable
        return Settlement(self.job, state, error=told, spent=self._spent())

    def _ours(self, error: BaseException) -> ProviderError:
        """A mistake of our own must still end the job; what it was stands in the log."""
        log.error("job_attempt_crashed", job=str(self.job.id), exc_info=error)
        return PlatformError("internal_error", CATALOGUE["internal_error"].title)

    async def _settle(self, settlement: Settlement) -> str:
        gives_up_at = time.monotonic() + SETTLE_SECONDS
        while True:
            try:
                return await self._finals.add(settlement)
            except (OperationalError, InterfaceError) as down:
                if time.monotonic() > gives_up_at:
                    raise
                log.warning("job_settling_waits", job=str(self.job.id), error=type(down).__name__)
                await asyncio.sleep(SETTLE_PAUSE_SECONDS)

    async def _count_tokens(self) -> None:
        spent = self._spent()
        if spent.usage is not None:
            await limits.charge_job(self.job.tenant_id, self.job.api_key_id, spent.usage["total_tokens"])

    def _spent(self) -> Spent:
        usage = self._usage or (self._stream.usage if self._stream is not None else None)
        return Spent(
            usage=usage.as_openai() if usage is not None else None,
            is_estimated=usage.estimated if usage is not None else False,
            first_token_ms=self._first_token_ms,
            total_ms=int(self.seconds * 1000),
        )

    @property
    def _shows_tokens(self) -> bool:
        return self._first_token_ms is not None

    # --- The call ---
    async def _ask(self) -> dict[str, Any]:
        deadline = asyncio.timeout(max(0.0, self.job.seconds_left))
        try:
            async with deadline:
                return await self._try_target(self._usable_target())
        except TimeoutError:
            if deadline.expired():
                raise DeadlineExceeded from None
            raise

    def _let_go(self) -> None:
        self.is_calling = False
        if self._slot is not None:
            self._slot.release()
        self._freed()

    def _usable_target(self) -> Target:
        if isinstance(self._target, ProviderError):
            raise self._target
        if self.job.input is None:
            raise PlatformError("undecryptable", "The job's input cannot be opened any more.")
        return self._target

    async def _try_target(self, target: Target) -> dict[str, Any]:
        async with breakers.Trial(target):
            return await self._ask_target(target)

    async def _ask_target(self, target: Target) -> dict[str, Any]:
        assert self.job.input is not None
        content = orjson.loads(self.job.input)
        streams = OPERATIONS[self.job.operation].may_stream(content)
        path = KINDS[target.kind].path(self.job.operation)
        body = request_body(self.job.operation, content, target, streams=streams)
        self._began_at = time.monotonic()
        if streams:
            return await self._ask_stream(target, path, body, content)
        reply = await client.current().fetch(
            target, "POST", path, content=body, max_bytes=settings.JOB_RESULT_MAX_BYTES
        )
        if reply.status >= 300:
            raise classify_error(reply.status, reply.headers, reply.body, target.kind)
        asked = prompt_of(content)
        whole = read_answer(self.job.operation, reply.body, reply.headers, asked)
        shown, self._usage = with_usage(self.job.operation, whole, model=self.job.model_name, asked=asked)
        return shown

    async def _ask_stream(self, target: Target, path: str, body: bytes, content: dict[str, Any]) -> dict[str, Any]:
        stream = self._stream = Stream(self.job.operation, model=self.job.model_name, prompt=prompt_of(content))
        async with client.current().stream(target, path, content=body) as upstream:
            if upstream.status >= 300:
                raise await upstream.error()
            async for frames in upstream.batches():
                deltas = stream.read(frames)
                if self._first_token_ms is None:
                    first = next(deltas, None)
                    if first is None:
                        continue
                    await self._before_first_token()
                    self._lane.add("delta", first)
                self._lane.add_deltas(deltas)
        self._usage = stream.usage
        return stream.result()

    async def _before_first_token(self) -> None:
        if self.job.restart == "before_first_token" and not await in_db(note_first_token, self.job):
            raise LostClaim
        self._first_token_ms = int(self.seconds * 1000)
        if isinstance(self._target, Target):
            breakers.note_first_token(self._target)
        if self.job.attempt > 1:
            self._lane.add("restart", orjson.dumps({"attempt": self.job.attempt}))
