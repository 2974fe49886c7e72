"""The project's Celery application in a worker that fails while it closes, as one does whose broker went wrong."""

from __future__ import annotations

from typing import Any

from celery import bootsteps

from config.celery import app

__all__ = ["app"]


class BrokenClosing(bootsteps.StartStopStep):
    def close(self, parent: Any) -> None:
        raise RuntimeError("the broker's client fell over")


app.steps["worker"].add(BrokenClosing)
