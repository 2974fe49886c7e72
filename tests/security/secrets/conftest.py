"""The whole platform of the jobs' tests: web process, worker's loop, Redis and a fake LocalAI."""

from tests.providers.jobs.conftest import (
    acme_jobs,
    committed,
    localai,
    redis_here,
    team,
    web,
    worker,
)

__all__ = ["acme_jobs", "committed", "localai", "redis_here", "team", "web", "worker"]
