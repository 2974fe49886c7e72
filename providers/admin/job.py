"""Jobs: the queue and what became of it. What was asked and answered is the tenant's, and not shown."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import (
    AllValuesCheckboxFilter,
    AutocompleteSelectFilter,
    ChoicesCheckboxFilter,
    RangeDateTimeFilter,
)
from unfold.decorators import display
from unfold.enums import ActionVariant

from providers.admin import states
from providers.admin.base import ProvidersPanelAdmin, short, shown_ms
from providers.jobs.cancellation import cancel
from providers.jobs.redrive import redrive
from providers.models import Job
from tenants.admin.acts import Onward, act
from tenants.admin.base import LookOnly, acting
from tenants.admin.links import link_to, page_address

WHAT = (
    "id",
    "tenant",
    "shown_provider",
    "model_name",
    "operation",
    "endpoint",
    "priority",
    "restart",
    "actor_label",
    "redrive_of",
)
COUNTS = ("attempt", "failures", "crashes", "lease_owner", "lease_until", "run_after")
TIMES = ("created_at", "started_at", "finished_at", "deadline_at", "cancel_requested_at", "content_erased_at")


@admin.register(Job)
class JobAdmin(LookOnly, ProvidersPanelAdmin):
    list_display = (
        "job", "tenant", "model_name", "operation", "shown_state", "shown_error", "waited", "ran", "created_at",
    )  # fmt: skip
    list_filter = (
        ("tenant", AutocompleteSelectFilter),
        ("state", ChoicesCheckboxFilter),
        ("operation", AllValuesCheckboxFilter),
        ("priority", AllValuesCheckboxFilter),
        ("created_at", RangeDateTimeFilter),
    )
    list_select_related = ("tenant",)
    search_fields = ("=id", "model_name", "tenant__slug", "endpoint")
    search_help_text = "Job id, model, tenant or endpoint"
    ordering = ("-id",)
    fieldsets = (
        ("What", {"fields": WHAT}),
        ("Attempts", {"fields": COUNTS, "classes": ("collapse",)}),
        ("Times", {"fields": TIMES, "classes": ("collapse",)}),
    )
    panel_template = "operators/job_panel.html"
    actions = ("cancel_selected",)
    actions_detail = ("cancel", "redrive")

    @display(description="Job", ordering="id")
    def job(self, job: Job) -> str:
        return short(job.id)

    @display(description="State", ordering="state", label=states.JOB)
    def shown_state(self, job: Job) -> tuple[str, str]:
        return job.state, job.get_state_display()

    @display(description="Error")
    def shown_error(self, job: Job) -> str:
        return str((job.error or {}).get("code", "-"))

    @display(description="Provider")
    def shown_provider(self, job: Job) -> str:
        return link_to(job.provider)

    @display(description="Waited")
    def waited(self, job: Job) -> str:
        return _between(job.created_at, job.started_at)

    @display(description="Ran")
    def ran(self, job: Job) -> str:
        return _between(job.started_at, job.finished_at)

    # --- The panel ---

    def panel(self, request: HttpRequest, row: Job) -> dict[str, Any]:
        colour = states.JOB.get(row.state, "")
        return {"job": row, "colour": colour, "waited": self.waited(row), "ran": self.ran(row)}

    def is_moving(self, row: Job) -> bool:
        return row.state in states.OPEN_JOBS

    # --- Acts ---

    def has_cancel_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self.may(request, "change") and self.row_is(object_id, *states.OPEN_JOBS)

    @act(
        "Cancel job",
        right="cancel",
        icon="cancel",
        variant=ActionVariant.DANGER,
        explains="It ends as cancelled. If it runs, the connection to the server is closed within two seconds.",
    )
    def cancel(self, request: HttpRequest, job: Job, form: Any) -> str:
        cancel(job, by=acting(request))
        return "The job is being cancelled."

    def has_redrive_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self.may(request, "change") and self.row_is(object_id, Job.State.DEAD)

    @act(
        "Start anew",
        right="redrive",
        icon="restart_alt",
        explains="A new job with the same order is queued. If it kills workers again, it is dead after three of them.",
    )
    def redrive(self, request: HttpRequest, job: Job, form: Any) -> Onward:
        anew = redrive(job, by=acting(request))
        return Onward(page_address(anew))

    @admin.action(description="Cancel", permissions=["cancel"])
    def cancel_selected(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        by = acting(request)
        still_open = jobs.filter(state__in=states.OPEN_JOBS)
        self.each(request, still_open, lambda job: cancel(job, by=by), "cancelled")


def _between(begin: Any, end: Any) -> str:
    return shown_ms((end - begin).total_seconds() * 1000) if begin and end else "-"
