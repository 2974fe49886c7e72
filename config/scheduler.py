"""Celery's scheduler, which says that it is here. It keeps nothing: what is due every few seconds needs no memory."""

from __future__ import annotations

from typing import Any

from celery.beat import Scheduler

from config import presence


class PresentScheduler(Scheduler):
    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Comes at least as often as the most frequent entry: see SWEEP_SECONDS."""
        presence.say_once("schedulers", presence.own_name())
        return float(super().tick(*args, **kwargs))
