"""What this app holds sealed, for rotation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.jobs.claims import input_place
from providers.jobs.settlement import result_place
from providers.models import Job, SealedSecret, ValidationRun
from providers.sealed_fields import secret_place
from providers.validation.runs import form_context
from tenants.sealing import fingerprint
from tenants.sealing.registry import SealedColumn, register_column


def _fingerprint(secret: SealedSecret, plaintext: bytes) -> Mapping[str, Any]:
    """Fingerprints are made with the data key: they move with it, so that equal secrets still look equal."""
    return {"fingerprint": fingerprint(secret.tenant_id, plaintext.decode())}


register_column(SealedColumn(SealedSecret, "blob", place=secret_place, beside=_fingerprint))
register_column(SealedColumn(Job, "input", place=lambda job: input_place(job.tenant_id, job.pk)))
register_column(SealedColumn(Job, "result", place=lambda job: result_place(job.tenant_id, job.pk)))
register_column(SealedColumn(ValidationRun, "form_secrets", place=form_context))
