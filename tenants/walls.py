"""Composite foreign keys: a row cannot point at another tenant's row, on either database.

Django's own foreign key checks that the target exists; this one checks that it belongs to the same tenant.
Table and columns are text because the app registry is empty while SQLite remakes a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.backends.ddl_references import Statement


class SameTenant(models.BaseConstraint):
    """`(tenant_id, column)` references `(tenant_id, id)` of `target`, which needs a unique constraint on the two."""

    def __init__(self, *, column: str, target: str, name: str) -> None:
        super().__init__(name=name)
        self.column = column
        self.target = target

    def _clause(self, editor: BaseDatabaseSchemaEditor) -> str:
        quote = editor.quote_name
        return (
            f"CONSTRAINT {quote(self.name)} FOREIGN KEY ({quote('tenant_id')}, {quote(self.column)}) "
            f"REFERENCES {quote(self.target)} ({quote('tenant_id')}, {quote('id')}) DEFERRABLE INITIALLY DEFERRED"
        )

    def constraint_sql(self, model: type[models.Model] | None, schema_editor: Any) -> str:
        return self._clause(schema_editor)

    def create_sql(self, model: type[models.Model] | None, schema_editor: Any) -> Any:
        assert model is not None
        if schema_editor.connection.vendor == "sqlite":
            schema_editor._remake_table(model)
            return ""
        table = schema_editor.quote_name(model._meta.db_table)
        return Statement(f"ALTER TABLE {table} ADD {self._clause(schema_editor).replace('%', '%%')}")

    def remove_sql(self, model: type[models.Model] | None, schema_editor: Any) -> Any:
        assert model is not None
        if schema_editor.connection.vendor == "sqlite":
            schema_editor._remake_table(model)
            return ""
        table = schema_editor.quote_name(model._meta.db_table)
        return Statement(f"ALTER TABLE {table} DROP CONSTRAINT {schema_editor.quote_name(self.name)}")

    def validate(self, model: Any, instance: Any, exclude: Any = None, using: str = "default") -> None:
        """The database is the judge: forms never offer a foreign row."""

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        path, args, kwargs = super().deconstruct()
        return path, args, {**kwargs, "column": self.column, "target": self.target}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SameTenant) and (self.name, self.column, self.target) == (
            other.name,
            other.column,
            other.target,
        )

    __hash__ = models.BaseConstraint.__hash__
