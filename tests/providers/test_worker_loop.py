"""A process's event loop: started when needed, its tasks held, its end in order."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Iterator

import pytest

from providers import worker_loop
from tests.waiting import wait_for

SECONDS = 60  # for what takes none, on a busy machine


@pytest.fixture(autouse=True)
def _stopped() -> Iterator[None]:
    yield
    worker_loop.stop(0.1)


async def _thread() -> int:
    return threading.get_ident()


def test_work_runs_on_one_thread_that_is_not_the_callers():
    first, second = worker_loop.submit(_thread()).result(SECONDS), worker_loop.submit(_thread()).result(SECONDS)

    assert first == second != threading.get_ident()


def test_a_task_that_waits_on_nothing_held_is_not_collected():
    done = threading.Event()

    async def wait() -> None:
        await asyncio.get_running_loop().create_future()

    async def begin() -> None:
        worker_loop.spawn(wait(), name="waits").add_done_callback(lambda _: done.set())

    worker_loop.submit(begin()).result(SECONDS)
    gc.collect()

    assert not done.wait(0.05)


def test_what_a_task_raises_is_logged(caplog: pytest.LogCaptureFixture):
    async def fail() -> None:
        raise ValueError("odd")

    async def begin() -> None:
        worker_loop.spawn(fail(), name="fails")

    worker_loop.submit(begin()).result(SECONDS)

    assert wait_for(lambda: [record for record in caplog.records if "loop_task_failed" in record.getMessage()])


def test_the_end_comes_after_what_asked_to_be_waited_for():
    order: list[str] = []

    async def ending(grace_seconds: float) -> None:
        order.append(f"ending {grace_seconds}")

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            order.append("cancelled")

    async def begin() -> None:
        worker_loop.on_stop(ending)
        worker_loop.spawn(forever(), name="forever")

    worker_loop.submit(begin()).result(SECONDS)
    worker_loop.stop(0.5)

    assert order == ["ending 0.5", "cancelled"]
    assert not worker_loop.is_running()


def test_a_child_process_has_a_loop_of_its_own():
    worker_loop.submit(_thread()).result(SECONDS)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            answer = b"ok" if worker_loop.submit(_thread()).result(SECONDS) else b"no"
            os.write(writer, answer)
            os._exit(0)
        finally:
            os._exit(1)  # whatever happened: no second process goes on with the tests

    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        assert pipe.read() == b"ok"
    assert os.waitpid(pid, 0)[1] == 0
