from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.chaos.stage import Stage


@dataclass(frozen=True)
class Scenario:
    """`allowed_errors`: exception classes whose tracebacks the fault explains, beside the usual ones."""

    name: str
    title: str
    play: Callable[[Stage], Awaitable[None]]
    allowed_errors: frozenset[str] = frozenset()
    has_short_form: bool = False
    needs_postgres: bool = False
