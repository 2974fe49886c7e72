"""A validation run's steps for the eye: those that ended, the one at work, those to come."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from providers.admin.base import shown_ms
from providers.models import ValidationRun
from tenants.admin.readable import readable
from tenants.codes import CATALOGUE

LABELS: Final[dict[str, str]] = {
    "policy": "Address policy",
    "dns": "Name resolution",
    "connect": "Connection",
    "tls": "TLS",
    "identify": "Which server it is",
    "auth": "Key accepted",
    "models": "Models listed",
    "infer": "Inference",
}
REST: Final = "rest"
LAST_STEP: Final = {"connect": "tls", "auth": "auth", "models": "models", "infer": "infer"}
MARKS: Final = {"passed": "check", "failed": "close", "running": "progress_activity", "waiting": "more_horiz"}
MAX_EVIDENCE_CHARS: Final = 300


@dataclass(frozen=True)
class ShownStep:
    name: str
    label: str
    state: str  # passed | failed | running | waiting
    code: str = ""
    title: str = ""
    took: str = ""
    evidence: str = ""

    @property
    def mark(self) -> str:
        return MARKS[self.state]


def steps_of(run: ValidationRun) -> list[ShownStep]:
    ended = [_ended(step) for step in run.steps]
    is_over = run.state not in (ValidationRun.State.QUEUED, ValidationRun.State.RUNNING)
    return ended if is_over else ended + list(_ahead(run, ended))


def _ahead(run: ValidationRun, ended: list[ShownStep]) -> Iterable[ShownStep]:
    """Nothing once a step has failed or the last has ended; but inference is tried with one model after the other."""
    first = "running" if run.state == ValidationRun.State.RUNNING else "waiting"
    if ended and ended[-1].name == "infer":
        yield ShownStep(REST, f"{LABELS['infer']}: what is left", first)
    elif not ended or ended[-1].state == "passed":
        for number, name in enumerate(_to_come(run, ended[-1].name if ended else "")):
            yield ShownStep(name, LABELS[name], first if number == 0 else "waiting")


def subject_of(run: ValidationRun) -> str:
    """The provider's name, or the address on a form that is not saved."""
    return run.provider.name if run.provider else f"form: {(run.form or {}).get('base_url', '')}"


def _ended(step: Mapping[str, Any]) -> ShownStep:
    name, code = str(step["step"]), str(step["code"])
    evidence = dict(step.get("evidence") or {})
    evidence.pop("elapsed_ms", None)  # it stands at the end of the line
    about = evidence.pop("model", "")
    return ShownStep(
        name=name,
        label=f"{LABELS.get(name, name)}: {about}" if about else LABELS.get(name, name),
        state="passed" if step["ok"] else "failed",
        code=code,
        title="" if step["ok"] or code not in CATALOGUE else CATALOGUE[code].title,
        took=shown_ms(step.get("elapsed_ms")),
        evidence=readable(evidence, max_chars=MAX_EVIDENCE_CHARS),
    )


def _to_come(run: ValidationRun, last: str) -> Iterable[str]:
    names = list(LABELS)
    begin = names.index(last) + 1 if last in names else 0
    for name in names[begin : names.index(LAST_STEP[run.level]) + 1]:
        if _applies(name, run):
            yield name


def _applies(name: str, run: ValidationRun) -> bool:
    address = run.provider.base_url if run.provider else (run.form or {}).get("base_url", "")
    parts = urlsplit(address)
    if name == "tls":
        return parts.scheme == "https"
    return name != "dns" or not _is_literal(parts.hostname or "")


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
