"""Give a tenant a new data key and move everything sealed onto it, while others read and write.

Old versions stay and open what was sealed under them, so nobody notices. Each blob is written only where it is still
the one that was opened: a concurrent write wins. A rotation that was killed goes on where it was: what it has done is
in the rows, which one it is in `KeyRotation`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import UUID

from django.db import IntegrityError
from django.db.models.functions import Length
from django.utils import timezone

from tenants.models import KeyRotation, Tenant, TenantKey
from tenants.sealing import data_keys
from tenants.sealing.progress import Report, Tally
from tenants.sealing.registry import SealedColumn, sealed_columns
from tenants.sealing.sealing import Undecryptable, open_sealed, seal
from tenants.sealing.versions import older_than

BATCH = 100  # rows looked up at once
BATCH_BYTES = 8 * 1024 * 1024  # and opened at once: a job's result may be large
LATE_COMMIT_SECONDS = 1.0  # for a transaction that sealed before its process asked for the newest version


def rotate_data_keys(tenant: Tenant | None, *, report: Report, wait: Callable[[float], None] = time.sleep) -> Tally:
    """A new data key for `tenant` (None: for all), and all their blobs moved onto it. Goes on where another stopped.

    `report` is called after every batch. When all is moved it waits (`wait`, in seconds) until no process seals under
    the former key any more, and moves what was written meanwhile. Raises KeyringError when no key can be made.
    """
    rotation = _begun(tenant)
    tally = Tally()
    renewed = [tenant_id for tenant_id in _tenants(tenant) if _renew(tenant_id, rotation)]
    for tenant_id in renewed:
        tally.tenants += 1
        _move_all(tenant_id, tally, report)
    if renewed:
        wait(data_keys.SEALING_SECONDS + LATE_COMMIT_SECONDS)
    tally.unreadable = 0
    for tenant_id in renewed:
        _move_all(tenant_id, tally, report)
    KeyRotation.objects.filter(pk=rotation.pk).update(finished_at=timezone.now())
    return tally


def _begun(tenant: Tenant | None) -> KeyRotation:
    """The rotation that was begun for this and has not ended, or a new one."""
    same = KeyRotation.objects.filter(tenant=tenant, finished_at=None)
    return same.order_by("started_at").first() or KeyRotation.objects.create(tenant=tenant)


def _tenants(tenant: Tenant | None) -> Sequence[UUID]:
    return list(Tenant.objects.order_by("pk").values_list("pk", flat=True)) if tenant is None else [tenant.pk]


def _renew(tenant_id: UUID, rotation: KeyRotation) -> bool:
    """See that the tenant has a key of this rotation. False where it has none to replace, or is gone."""
    newest = data_keys.newest_row(tenant_id)
    if newest is None:
        return False
    if newest.created_at >= rotation.started_at:
        return True
    try:
        data_keys.add_version(tenant_id)
    except IntegrityError:
        if Tenant.objects.filter(pk=tenant_id).exists():
            raise
        return False
    return True


def _move_all(tenant_id: UUID, tally: Tally, report: Report) -> None:
    newest = data_keys.newest_row(tenant_id)
    if newest is None:
        return
    for column in sealed_columns.values():
        for batch in _batches(column, newest):
            for row in batch:
                _move(column, row, tally)
            report(tally, column.name)


def _batches(column: SealedColumn, newest: TenantKey) -> Iterator[Sequence[Any]]:
    """The rows that are behind, in order of their ids."""
    rows = column.rows_of(newest.tenant_id)
    behind = older_than(rows, column.field, newest.version).annotate(size=Length(column.field)).order_by("pk")
    sizes = list(behind.values_list("pk", "size")[:BATCH])
    while sizes:
        for pks in _within_bytes(sizes):
            yield list(rows.filter(pk__in=pks))
        sizes = list(behind.filter(pk__gt=sizes[-1][0]).values_list("pk", "size")[:BATCH])


def _within_bytes(sizes: Sequence[tuple[UUID, int]]) -> Iterator[list[UUID]]:
    pks: list[UUID] = []
    room = BATCH_BYTES
    for pk, size in sizes:
        if pks and size > room:
            yield pks
            pks, room = [], BATCH_BYTES
        pks.append(pk)
        room -= size
    yield pks


def _move(column: SealedColumn, row: Any, tally: Tally) -> None:
    place, old = column.place(row), bytes(getattr(row, column.field))
    try:
        plaintext = open_sealed(old, place)
    except Undecryptable:
        tally.unreadable += 1
        return
    new = {column.field: seal(plaintext, place), **column.beside(row, plaintext)}
    # A statement of its own, in no transaction: rows locked together could wait for each other with a worker's.
    same = column.rows_of(row.tenant_id).filter(pk=row.pk, **{column.field: old})
    tally.moved += same.update(**new)
