"""Validation runs: each step as it ends, what went wrong, and what to do about it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesCheckboxFilter, RangeDateTimeFilter
from unfold.decorators import display
from unfold.enums import ActionVariant

from providers.admin import states
from providers.admin.base import ProvidersPanelAdmin, short, shown_ms
from providers.admin.steps import steps_of, subject_of
from providers.models import ValidationRun
from providers.validation.runs import cancel_run, queue_run
from tenants.admin.acts import Onward, act
from tenants.admin.base import LookOnly, acting
from tenants.admin.links import link_to, page_address

FACTS = ("tenant", "shown_provider", "level", "attempt", "id", "created_at", "started_at", "finished_at")


@admin.register(ValidationRun)
class ValidationRunAdmin(LookOnly, ProvidersPanelAdmin):
    list_display = ("run", "subject", "tenant", "level", "shown_state", "found", "took", "created_at")
    list_filter = (
        ("tenant", AutocompleteSelectFilter),
        ("state", ChoicesCheckboxFilter),
        ("level", ChoicesCheckboxFilter),
        ("created_at", RangeDateTimeFilter),
    )
    list_select_related = ("tenant", "provider")
    search_fields = ("=id", "provider__name", "tenant__slug")
    search_help_text = "Provider, tenant or run id"
    ordering = ("-id",)
    fields = FACTS
    panel_template = "operators/run_panel.html"
    actions_detail = ("again", "cancel")

    @display(description="Run", ordering="id")
    def run(self, run: ValidationRun) -> str:
        return short(run.id)

    @display(description="Provider", ordering="provider__name")
    def subject(self, run: ValidationRun) -> str:
        return subject_of(run)

    @display(description="Provider")
    def shown_provider(self, run: ValidationRun) -> str:
        return link_to(run.provider) if run.provider else subject_of(run)

    @display(description="State", ordering="state", label=states.RUN)
    def shown_state(self, run: ValidationRun) -> tuple[str, str]:
        return run.state, run.get_state_display()

    @display(description="Found")
    def found(self, run: ValidationRun) -> str:
        return str((run.diagnosis or {}).get("code", "-"))

    @display(description="Took")
    def took(self, run: ValidationRun) -> str:
        if run.started_at is None or run.finished_at is None:
            return "-"
        return shown_ms((run.finished_at - run.started_at).total_seconds() * 1000)

    # --- The panel ---

    def panel(self, request: HttpRequest, row: ValidationRun) -> dict[str, Any]:
        return {"run": row, "colour": states.RUN.get(row.state, ""), "steps": steps_of(row), "took": self.took(row)}

    def is_moving(self, row: ValidationRun) -> bool:
        return row.state in (ValidationRun.State.QUEUED, ValidationRun.State.RUNNING)

    # --- Acts: the right is that to change the provider, of which a run is a part ---

    def has_again_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        run = self.row(object_id)
        is_over = run is not None and run.provider_id is not None and not self.is_moving(run)
        return self._may_validate(request) and (object_id is None or is_over)

    def has_cancel_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self._may_validate(request) and self.row_is(object_id, *states.OPEN_RUNS)

    @act(
        "Validate again",
        right="again",
        icon="replay",
        variant=ActionVariant.PRIMARY,
        explains="A new run of the same level, with the provider as it is now.",
    )
    def again(self, request: HttpRequest, run: ValidationRun, form: Any) -> Onward:
        assert run.provider is not None  # or the act would not have been offered
        return Onward(page_address(queue_run(run.provider, level=run.level, by=acting(request))))

    @act("Cancel", right="cancel", icon="cancel", explains="The worker stops within seconds. What it found stays.")
    def cancel(self, request: HttpRequest, run: ValidationRun, form: Any) -> str:
        is_cancelled = cancel_run(run, by=acting(request))
        return "The run is cancelled." if is_cancelled else "The run had ended already."

    def _may_validate(self, request: HttpRequest) -> bool:
        return request.user.has_perm("providers.change_provider")
