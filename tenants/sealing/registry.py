"""Where sealed bytes lie: every column that holds them says so here, or no rotation would find it.

Each app registers its own in its `sealed_columns` module; a system check refuses a binary column that nobody has
registered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import models

from tenants.sealing.sealing import Context

Rows = models.QuerySet[Any]


def _nothing_else(row: Any, plaintext: bytes) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True)
class SealedColumn:
    """A column of blobs. `place(row)` is what a row's blob is sealed to; the model has a `tenant_id`.

    `beside(row, plaintext)` are further columns that are made with the data key, such as a fingerprint.
    """

    model: type[models.Model]
    field: str
    place: Callable[[Any], Context]
    beside: Callable[[Any, bytes], Mapping[str, Any]] = _nothing_else

    @property
    def name(self) -> str:
        return f"{self.model._meta.db_table}.{self.field}"

    def all_rows(self) -> Rows:
        """The rows that hold a blob, without what else is sealed in them."""
        others = [other.field for other in sealed_columns.values() if other.model is self.model and other is not self]
        return _all(self.model).exclude(**{self.field: None}).defer(*others)

    def rows_of(self, tenant_id: UUID) -> Rows:
        return self.all_rows().filter(tenant_id=tenant_id)


@dataclass(frozen=True)
class SealedTexts:
    """A JSON column with texts in it that are sealed under the keyring itself (`seal_platform_text`)."""

    model: type[models.Model]
    field: str
    purpose: str

    @property
    def name(self) -> str:
        return f"{self.model._meta.db_table}.{self.field}"

    def rows(self) -> Rows:
        return _all(self.model)


sealed_columns: dict[str, SealedColumn] = {}
sealed_texts: dict[str, SealedTexts] = {}
_wrapped: set[tuple[type[models.Model], str]] = set()


def register_column(column: SealedColumn) -> None:
    sealed_columns[column.name] = column


def register_texts(texts: SealedTexts) -> None:
    sealed_texts[texts.name] = texts


def register_wrapped(model: type[models.Model], field: str) -> None:
    """A column that holds what the keyring itself has wrapped: data keys and the keyring's own canaries."""
    _wrapped.add((model, field))


def unregistered(found: list[type[models.Model]]) -> list[str]:
    """The binary columns of these models that no rotation knows of."""
    known = {(column.model, column.field) for column in sealed_columns.values()} | _wrapped
    return [
        f"{model._meta.label}.{field.name}"
        for model in found
        for field in model._meta.concrete_fields
        if isinstance(field, models.BinaryField) and (model, field.name) not in known
    ]


def _all(model: type[models.Model]) -> Rows:
    return model._base_manager.all()
