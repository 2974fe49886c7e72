"""What the operators' pages of this app share: verbs here refuse with `ProviderError` too."""

from __future__ import annotations

from typing import Any, ClassVar

from providers.errors import ProviderError
from tenants.admin.base import Refusals, VerbAdmin, VerbForm
from tenants.admin.panel import PanelAdmin
from tenants.problems import Problem

REFUSALS: Refusals = (Problem, ProviderError)


class ProvidersForm(VerbForm):
    refusals: ClassVar[Refusals] = REFUSALS


class ProvidersAdmin(VerbAdmin):
    refusals: ClassVar[Refusals] = REFUSALS


class ProvidersPanelAdmin(PanelAdmin):
    refusals: ClassVar[Refusals] = REFUSALS


def short(row_id: Any) -> str:
    """The end of a UUIDv7, which tells rows apart; its beginning is the clock."""
    return str(row_id)[-12:]


def shown_ms(milliseconds: float | None) -> str:
    """ "850 ms", "4.2 s", "3 min 20 s"."""
    if milliseconds is None:
        return "-"
    seconds = milliseconds / 1000
    if seconds < 1:
        return f"{milliseconds:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {int(seconds % 60)} s"
