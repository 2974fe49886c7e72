"""A Celery worker that drains however it ends: also where Celery or its broker's client fails while it closes."""

from __future__ import annotations

from typing import Any

from celery.apps.worker import Worker as CeleryWorker


class Worker(CeleryWorker):
    def start(self) -> Any:
        try:
            return super().start()
        finally:
            from config.worker import drain  # its models are there by now

            drain()
