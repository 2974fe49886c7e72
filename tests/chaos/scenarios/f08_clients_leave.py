"""F8: half of 200 clients leave in the middle of their streams."""

from __future__ import annotations

import asyncio
import time

from tests.chaos.callers import Caller
from tests.chaos.scenarios.scenario import Scenario
from tests.chaos.stage import Stage, gathered, seconds_p
from tests.chaos.upstream import Prompt

STREAMS = 200
TOKENS, PAUSE_SECONDS = 40, 0.5
ABORT_SECONDS = 2.0


async def play(stage: Stage) -> None:
    acme = await stage.tenant("acme", direct=True, max_concurrency=STREAMS)
    prompts = [Prompt(stage.nonce(), tokens=TOKENS, pause_seconds=PAUSE_SECONDS) for _ in range(STREAMS)]
    leaving = {prompt.nonce: stage.random.randint(2, TOKENS // 2) for prompt in prompts[::2]}
    left_at: dict[str, float] = {}
    readers = []
    for prompt in prompts:
        readers.append(asyncio.create_task(_read(acme, prompt, leaving.get(prompt.nonce), left_at)))
        await asyncio.sleep(0.01)
    answers = await gathered(readers, 240)
    stayed = [text for nonce, status, text in answers if nonce not in leaving and status == 200]
    await asyncio.sleep(ABORT_SECONDS)
    calls = {call.nonce: call for call in stage.stack.upstream.calls}
    aborted = {nonce: calls[nonce].aborted_at for nonce in leaving if nonce in calls}
    seconds = [at - left_at[nonce] for nonce, at in aborted.items() if at is not None]
    stage.exactly("streams that went to their end", sum("data: [DONE]" in text for text in stayed), STREAMS // 2)
    stage.exactly("upstream calls of those who left that were aborted", len(seconds), len(leaving))
    stage.at_most("abort after the client left, p99", seconds_p(seconds, 99), ABORT_SECONDS)
    stage.figure("abort after the client left, median", seconds_p(seconds, 50))


async def _read(
    acme: Caller, prompt: Prompt, leave_after: int | None, left_at: dict[str, float]
) -> tuple[str, int | None, str]:
    status, text = await acme.read_chat(prompt, leave_after=leave_after)
    left_at[prompt.nonce] = time.time()
    return prompt.nonce, status, text


SCENARIO = Scenario("F8", "clients leave in the middle of their streams", play)
