"""How many rows point at each row of a list, in the list's own query."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, IntegerField, Model, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce


def how_many(model: type[Model], pointing: str, **where: Any) -> Coalesce:
    """An annotation: the number of `model`'s rows whose `pointing` is this row."""
    rows: QuerySet[Any] = model._meta.base_manager.filter(**{pointing: OuterRef("pk")}, **where).order_by()
    counted = rows.values(pointing).annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)
