"""The Celery application. Messages are doorbells: a lost or repeated one changes nothing but the delay."""

import os
from functools import cached_property
from typing import Any

from celery import Celery, signals
from django.db import close_old_connections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# Celery has a worker run Django's checks, whose answers it drops; they would load all views and admin pages.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")


class _App(Celery):
    @cached_property
    def Worker(self) -> Any:  # the name that Celery looks for
        return self.subclass_with_self("config.draining:Worker")  # type: ignore[arg-type] # a path will do


app = _App("modelyard")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["providers"])


@signals.setup_logging.connect
def keep_our_logging(**_: Any) -> None:
    """That someone listens is enough: Celery then leaves LOGGING as it is."""


@signals.worker_init.connect
def add_the_loop(sender: Any, **_: Any) -> None:
    """Only a worker needs the loop's step, and only then are the models there to be imported."""
    from config.worker import LoopStep

    app.steps["worker"].add(LoopStep)


@signals.task_prerun.connect
def leave_dead_connections(**_: Any) -> None:
    """A thread keeps its connection from task to task (CELERY_DB_REUSE_MAX); the database may have gone meanwhile."""
    close_old_connections()
