"""Under which keys things lie, read off the bytes themselves; nothing is opened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.db.models import Count, Max
from django.db.models.functions import Substr

from tenants.models import Tenant, TenantKey
from tenants.sealing.keyring import keyring
from tenants.sealing.platform import key_id_of, texts_in
from tenants.sealing.registry import Rows, SealedColumn, sealed_columns, sealed_texts
from tenants.sealing.sealing import VERSION_BYTES, VERSION_STARTS_AT


@dataclass(frozen=True)
class Standing:
    """How many rows of one kind lie under one key. `is_current`: that is the key they belong under."""

    what: str
    key: str
    rows: int
    is_current: bool


def version_bytes(version: int) -> bytes:
    """As a blob's head spells it: the order of bytes is that of numbers."""
    return version.to_bytes(VERSION_BYTES, "big")


def with_version(rows: Rows, field: str) -> Rows:
    """The rows with `sealed_version`, the bytes in the head of their blob."""
    at = VERSION_STARTS_AT + 1  # SQL counts from one
    found: Rows = rows.annotate(sealed_version=Substr(field, at, VERSION_BYTES, output_field=models.BinaryField()))
    return found


def older_than(rows: Rows, field: str, version: int) -> Rows:
    """Those whose blob was sealed under a former version."""
    return with_version(rows, field).filter(sealed_version__lt=version_bytes(version))


def under_keyring(tenant: Tenant | None) -> list[Standing]:
    """Data keys of `tenant` by the keyring's key that wraps them; for None all, and the texts of no tenant too."""
    active = keyring().active_id
    counted = Counter(("data keys", kek_id) for kek_id in _keys(tenant).values_list("kek_id", flat=True))
    for texts in sealed_texts.values() if tenant is None else ():
        for value in texts.rows().values_list(texts.field, flat=True).iterator():
            counted.update((texts.name, key_id_of(text)) for text in texts_in(value))
    return [Standing(what, key, rows, key == active) for (what, key), rows in sorted(counted.items())]


def under_data_keys(tenant: Tenant | None) -> list[Standing]:
    """Sealed rows of `tenant` (None: of all) by the version of the data key; current is each tenant's newest."""
    newest = dict(_keys(tenant).values_list("tenant_id").annotate(newest=Max("version")))
    counted: Counter[tuple[str, int, bool]] = Counter()
    for column in sealed_columns.values():
        for tenant_id, version, rows in _by_version(column, tenant):
            counted[column.name, version, version == newest.get(tenant_id)] += rows
    return [
        Standing(what, f"version {version}", rows, is_current)
        for (what, version, is_current), rows in sorted(counted.items())
    ]


def _keys(tenant: Tenant | None) -> Rows:
    return TenantKey.unscoped.all() if tenant is None else TenantKey.objects.for_tenant(tenant)


def _by_version(column: SealedColumn, tenant: Tenant | None) -> Iterator[tuple[Any, int, int]]:
    rows = column.all_rows() if tenant is None else column.rows_of(tenant.pk)
    found = with_version(rows, column.field).order_by().values("tenant_id", "sealed_version")
    for group in found.annotate(rows=Count("pk")).iterator():
        yield group["tenant_id"], int.from_bytes(bytes(group["sealed_version"]), "big"), group["rows"]
