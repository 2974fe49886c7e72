"""The numbers beside the sidebar's entries."""

from __future__ import annotations

from providers.admin.states import FAILING, OPEN_JOBS
from providers.models import Job, Provider


def failing_providers() -> int:
    return Provider.unscoped.filter(enabled=True, state__in=FAILING).count()


def open_jobs() -> int:
    return Job.unscoped.filter(state__in=OPEN_JOBS).count()
