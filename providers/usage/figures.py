"""What is summed up of calls, and how either table gives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal

from django.db.models import CharField, Count, Func, Max, Q, Sum
from django.db.models.functions import Coalesce

Bucket = Literal["hour", "day"]


@dataclass(slots=True)
class Sums:
    """Of some calls. `timed` is how many of them showed a first token."""

    calls: int = 0
    succeeded: int = 0
    cancelled: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated_calls: int = 0
    timed: int = 0
    first_token_ms: int = 0
    first_token_ms_max: int = 0
    total_ms: int = 0
    total_ms_max: int = 0

    def add(self, facts: Mapping[str, Any]) -> None:
        """`facts` holds each figure under its name with `of_` before it."""
        for name in FIGURES:
            known, more = getattr(self, name), int(facts[f"of_{name}"])
            setattr(self, name, max(known, more) if name in MAXIMA else known + more)

    def facts(self) -> dict[str, int]:
        return {f"of_{name}": getattr(self, name) for name in FIGURES}


FIGURES: Final = tuple(figure.name for figure in fields(Sums))
MAXIMA: Final = frozenset({"first_token_ms_max", "total_ms_max"})

OF_CALLS: Final[dict[str, Any]] = {
    "of_calls": Count("*"),
    "of_succeeded": Count("pk", filter=Q(outcome="succeeded")),
    "of_cancelled": Count("pk", filter=Q(outcome="cancelled")),
    "of_prompt_tokens": Coalesce(Sum("prompt_tokens"), 0),
    "of_completion_tokens": Coalesce(Sum("completion_tokens"), 0),
    "of_estimated_calls": Count("pk", filter=Q(is_estimated=True)),
    "of_timed": Count("first_token_ms"),
    "of_first_token_ms": Coalesce(Sum("first_token_ms"), 0),
    "of_first_token_ms_max": Coalesce(Max("first_token_ms"), 0),
    "of_total_ms": Coalesce(Sum("total_ms"), 0),
    "of_total_ms_max": Coalesce(Max("total_ms"), 0),
}
OF_HOURS: Final[dict[str, Any]] = {f"of_{name}": (Max if name in MAXIMA else Sum)(name) for name in FIGURES}


class BucketStart(Func):
    """When the hour or day (UTC) of a time began. Cut out of the text in SQLite: Django's own way there calls Python
    for every row."""

    output_field = CharField()

    def __init__(self, moment: Any, bucket: Bucket) -> None:
        super().__init__(moment)
        self.bucket = bucket

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        letters = 13 if self.bucket == "hour" else 10
        return self.as_sql(compiler, connection, template=f"substr(%(expressions)s, 1, {letters})", **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = f"date_trunc('{self.bucket}', %(expressions)s AT TIME ZONE 'UTC')"
        return self.as_sql(compiler, connection, template=template, **context)
