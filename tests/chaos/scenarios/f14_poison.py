"""F14: jobs that kill every worker that runs them, among jobs that do no harm."""

from __future__ import annotations

import os
import signal

from tenants.in_db import in_db
from tests.chaos.aftermath import read_rows
from tests.chaos.checker import CRASHES_OF_THE_DEAD
from tests.chaos.processes import owner_of_connection
from tests.chaos.scenarios.scenario import Scenario
from tests.chaos.stage import Stage
from tests.chaos.upstream import Call, Prompt

POISON = "hang"  # its worker is killed as soon as the call has come


async def play(stage: Stage) -> None:
    poisons, good = stage.size(5, 1), stage.size(100, 8)
    acme = await stage.tenant("acme", direct=True, max_concurrency=stage.size(24, 8))
    stage.stack.upstream.on_call = lambda call: _kill_caller(stage, call)
    prompts = [Prompt(stage.nonce(), POISON) for _ in range(poisons)]
    prompts += [Prompt(stage.nonce(), tokens=6, pause_seconds=0.1) for _ in range(good)]
    stage.random.shuffle(prompts)
    jobs = await stage.submit_many(acme, prompts, at_once=8)
    ended = await stage.all_ended(stage.size(600, 300))
    stage.holds("every job ended", ended)
    rows = {row.job: row for row in await in_db(read_rows, list(stage.tenants))}
    poisonous = [rows[jobs[p.nonce].replace("-", "")] for p in prompts if p.script == POISON]
    harmless = [rows[jobs[p.nonce].replace("-", "")] for p in prompts if p.script != POISON]
    dead = [row for row in poisonous if row.state == "dead" and row.crashes == CRASHES_OF_THE_DEAD]
    stage.exactly("poison jobs dead after three crashes that count", len(dead), poisons)
    stage.exactly("good jobs that succeeded", sum(row.state == "succeeded" for row in harmless), good)
    stage.figure("starts of a good job, most", max(row.attempt for row in harmless))
    stage.figure("starts of a poison job, most", max(row.attempt for row in poisonous))


def _kill_caller(stage: Stage, call: Call) -> None:
    """In the upstream's thread. The supervisor starts another one."""
    if call.script != POISON:
        return
    worker = owner_of_connection(call.peer_port, stage.stack.upstream.port, stage.stack.workers)
    if worker is None:  # the one that called is dead already
        stage.note_fault("poison, caller gone", nonce_of_job=call.nonce)
        return
    stage.note_fault("poison", process=worker.name, nonce_of_job=call.nonce)
    os.kill(worker.pid, signal.SIGKILL)


SCENARIO = Scenario("F14", "jobs that kill their worker, among good ones", play, has_short_form=True)
