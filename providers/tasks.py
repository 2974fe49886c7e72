"""Every Celery entry point. A message is a doorbell with an id: the verb behind it claims the row, or does nothing.

task                   rung by                              verb
providers.validate     doorbell, after a run is queued      validation.worker.execute
providers.discover     doorbell, after one is queued        discovery.execute
providers.look         doorbell, where a list goes unread   jobs.worker.look
providers.sweep        the scheduler, every 5 s             jobs, validation.runs, discovery, credentials
providers.sum_usage    the scheduler, every 10 min          usage.summing.sum_up
"""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from providers import credentials, discovery
from providers.jobs import sweep as jobs_sweep
from providers.jobs import worker as jobs_worker
from providers.usage import summing
from providers.validation import runs as validation_runs
from providers.validation import worker as validation_worker


@shared_task(name="providers.validate", ignore_result=True)
def validate(run_id: str) -> None:
    validation_worker.execute(UUID(run_id))


@shared_task(name="providers.discover", ignore_result=True)
def discover(discovery_id: str) -> None:
    discovery.execute(UUID(discovery_id))


@shared_task(name="providers.look", ignore_result=True)
def look(queue: str) -> None:
    jobs_worker.look()


@shared_task(name="providers.sweep", ignore_result=True)
def sweep() -> None:
    jobs_sweep.sweep()
    validation_runs.sweep()
    discovery.sweep()
    credentials.end_graces()


@shared_task(name="providers.sum_usage", ignore_result=True)
def sum_usage() -> None:
    summing.sum_up()
