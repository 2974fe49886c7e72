"""`Idempotency-Key`: the same request sent twice does its work once, and gets the same answer for 24 hours.

The key is claimed in a commit of its own, so that a second request sees the first one running. The answer is
stored in the transaction of the work: either both stand or neither. Only answers of done work are kept; a refusal
frees the key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from tenants.models import IdempotencyRecord
from tenants.problems import Problem
from tenants.sealing import Context, open_sealed, seal

KEPT_FOR = timedelta(hours=24)
ABANDONED_AFTER = timedelta(minutes=5)  # its process has died: no request takes so long
REPLAYED = "Idempotent-Replayed"
_TABLE = "tenants_idempotencyrecord"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the first request was told; `body` is JSON."""

    status: int
    headers: Mapping[str, str]
    body: Any


def digest_of(*parts: bytes) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "big") + part)
    return whole.hexdigest()


def check_key(key: str) -> str:
    if not 1 <= len(key) <= 255 or not (key.isascii() and key.isprintable()):
        raise Problem("idempotency_key_invalid")
    return key


def claim(
    *, actor_id: UUID, route: str, key: str, body_digest: str, tenant_id: UUID | None
) -> IdempotencyRecord | Answer:
    """Take the key for this request, or give back what the first one was told.

    Raises Problem `idempotency_in_progress` (409) while the first one runs, `idempotency_key_reused` (422) for
    another body, `idempotency_key_invalid` (400).
    """
    record = IdempotencyRecord(
        tenant_id=tenant_id, actor_id=actor_id, route=route[:300], key=check_key(key), body_digest=body_digest
    )
    if _insert(record):
        return record
    first = IdempotencyRecord.objects.filter(actor_id=actor_id, route=record.route, key=key).first()
    if first is not None and not _is_over(first):
        return _answer_again(first, body_digest)
    if first is not None:
        IdempotencyRecord.objects.filter(pk=first.pk, status=first.status, created_at=first.created_at).delete()
    if _insert(record):
        return record
    raise Problem("idempotency_in_progress")


def settle(record: IdempotencyRecord, answer: Answer, *, tenant_id: UUID) -> None:
    """Store the answer, in the transaction of the work. Raises Problem when the claim has been taken over since."""
    sealed = _sealed(answer, tenant_id, record.pk)
    mine = IdempotencyRecord.objects.filter(pk=record.pk, status=None)
    if not mine.update(status=answer.status, answer=sealed, tenant_id=tenant_id):
        raise Problem("idempotency_in_progress")


def recall(*, actor_id: UUID, route: str, key: str, body_digest: str) -> Answer | None:
    """What an earlier request with this key was told, for work that stores its record in its own commit.

    None where there is none: the key is free, and `record_of` makes its record. Raises Problem as `claim` does.
    """
    first = IdempotencyRecord.objects.filter(actor_id=actor_id, route=route[:300], key=key).first()
    if first is None:
        return None
    if _is_over(first):
        first.delete()
        return None
    return _answer_again(first, body_digest)


def record_of(
    answer: Answer, *, actor_id: UUID, route: str, key: str, body_digest: str, tenant_id: UUID
) -> IdempotencyRecord:
    """The record of an answer, to be inserted in the commit of the work; its unique constraint lets one of two win."""
    record = IdempotencyRecord(
        tenant_id=tenant_id,
        actor_id=actor_id,
        route=route[:300],
        key=key,
        body_digest=body_digest,
        status=answer.status,
    )
    record.answer = _sealed(answer, tenant_id, record.pk)
    return record


def release(record: IdempotencyRecord) -> None:
    """Give the key back: nothing was done under it."""
    IdempotencyRecord.objects.filter(pk=record.pk, status=None).delete()


def purge() -> int:
    """Forget what is older than 24 hours. For the sweep."""
    return IdempotencyRecord.objects.filter(created_at__lt=timezone.now() - KEPT_FOR).delete()[0]


def _insert(record: IdempotencyRecord) -> bool:
    try:
        with transaction.atomic():
            record.save(force_insert=True)
    except IntegrityError:
        return False
    return True


def _is_over(record: IdempotencyRecord) -> bool:
    age = timezone.now() - record.created_at
    return age > KEPT_FOR or (record.status is None and age > ABANDONED_AFTER)


def _answer_again(record: IdempotencyRecord, body_digest: str) -> Answer:
    if record.body_digest != body_digest:
        raise Problem("idempotency_key_reused")
    if record.status is None or record.answer is None or record.tenant_id is None:
        raise Problem("idempotency_in_progress", headers={"Retry-After": "1"})
    stored = json.loads(open_sealed(record.answer, answer_place(record.tenant_id, record.pk)))
    return Answer(record.status, {**stored["headers"], REPLAYED: "true"}, stored["body"])


def _sealed(answer: Answer, tenant_id: UUID, record_id: UUID) -> bytes:
    text = json.dumps({"headers": dict(answer.headers), "body": answer.body}, separators=(",", ":"))
    return seal(text.encode(), answer_place(tenant_id, record_id))


def answer_place(tenant_id: UUID, record_id: UUID) -> Context:
    return Context(tenant_id, _TABLE, record_id, "answer")
