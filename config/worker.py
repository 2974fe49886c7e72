"""What a worker process does beside Celery's messages: its loop starts with the pool and drains before it goes."""

from __future__ import annotations

import os
import threading
from typing import Any

import structlog
from celery import bootsteps, signals
from django.conf import settings

from config import garbage, presence
from config.stopping import stopping
from providers import worker_loop
from providers.jobs import worker as jobs_worker
from providers.usage import metering
from tenants.sealing import verify_before_serving

LOOK_SECONDS = 10.0
HANG_SECONDS = 60.0
EXIT_STATUS = 70  # sysexits' "internal software error": the supervisor starts the process again

log = structlog.get_logger(__name__)


class LoopStep(bootsteps.StartStopStep):
    """Starts providers.worker_loop after the pool, and ends it before: its attempts finish, or go back to the queue."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self.ending = threading.Event()

    def start(self, parent: Any) -> None:
        verify_before_serving()
        garbage.look_rarely()
        worker_loop.submit(_begin()).result()
        threading.Thread(target=_watch, args=(self.ending,), name="loop-watch", daemon=True).start()

    def stop(self, parent: Any) -> None:
        self.ending.set()
        drain()

    terminate = stop  # SIGQUIT calls only this one


def drain() -> None:
    """Let what runs end within the grace, or put it back into the queue. A second call changes nothing."""
    worker_loop.stop(settings.WORKER_DRAIN_SECONDS)
    metering.flush()


async def _begin() -> None:
    jobs_worker.begin()
    worker_loop.spawn(presence.say(presence.own_name()), name="presence")


def _watch(ending: threading.Event) -> None:
    """A worker whose loop has died or hangs takes messages and does nothing: better it ends, and is started again."""
    while not ending.wait(LOOK_SECONDS):
        if not worker_loop.is_running() or not _answers():
            if not ending.is_set():
                log.critical("loop_is_gone", limit_seconds=HANG_SECONDS)
                os._exit(EXIT_STATUS)
            return


def _answers() -> bool:
    heard = threading.Event()
    worker_loop.call_soon(heard.set)
    return heard.wait(HANG_SECONDS)


@signals.worker_shutting_down.connect
def claim_nothing_more(**_: Any) -> None:
    """Comes up to a second before `stop`."""
    stopping.set()
