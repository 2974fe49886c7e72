"""A run as clients see it: the same in REST answers and in the last event of its stream."""

from __future__ import annotations

from typing import Any

from providers.models import ValidationRun

STEPS = ("policy", "dns", "connect", "tls", "identify", "auth", "models", "infer")  # in their order
OPEN_STATES = (ValidationRun.State.QUEUED, ValidationRun.State.RUNNING)


def shown_run(run: ValidationRun) -> dict[str, Any]:
    """The keys of `ValidationShape`. A form's run has no provider."""
    return {
        "id": run.id,
        "provider": run.provider_id,
        "credential": run.credential_id,
        "level": run.level,
        "models": run.models_to_infer,
        "state": run.state,
        "steps": run.steps,
        "diagnosis": run.diagnosis,
        "server": run.server,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
    }


def has_ended(run: ValidationRun) -> bool:
    return run.state not in OPEN_STATES
