"""The colours of states, the same on every page; and whether a state asks for somebody's attention."""

from __future__ import annotations

from typing import Final

from providers.models import Credential, Job, Provider, ValidationRun

Colours = dict[str, str]

PROVIDER: Final[Colours] = {
    Provider.State.HEALTHY.value: "success",
    Provider.State.VALIDATING.value: "info",
    Provider.State.LOADING.value: "info",
    Provider.State.DEGRADED.value: "warning",
    Provider.State.AUTH_FAILED.value: "danger",
    Provider.State.UNREACHABLE.value: "danger",
    Provider.State.UNDECRYPTABLE.value: "danger",
}
FAILING: Final = (
    Provider.State.DEGRADED,
    Provider.State.AUTH_FAILED,
    Provider.State.UNREACHABLE,
    Provider.State.UNDECRYPTABLE,
)
RUN: Final[Colours] = {
    ValidationRun.State.PASSED.value: "success",
    ValidationRun.State.RUNNING.value: "info",
    ValidationRun.State.FAILED.value: "danger",
}
OPEN_RUNS: Final = (ValidationRun.State.QUEUED, ValidationRun.State.RUNNING)
JOB: Final[Colours] = {
    Job.State.SUCCEEDED.value: "success",
    Job.State.RUNNING.value: "info",
    Job.State.FAILED.value: "danger",
    Job.State.DEAD.value: "danger",
    Job.State.EXPIRED.value: "warning",
}
OPEN_JOBS: Final = (Job.State.QUEUED, Job.State.RUNNING)
CREDENTIAL: Final[Colours] = {
    Credential.State.ACTIVE.value: "success",
    Credential.State.STAGED.value: "info",
    Credential.State.GRACE.value: "warning",
    Credential.State.UNDECRYPTABLE.value: "danger",
}
