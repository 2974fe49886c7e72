"""Jobs as rows: list, look, cancel, erase. Submits and event streams are answered beside Django, by the gateway."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from providers.api.base import ProvidersView, by_choice, by_id
from providers.api.job_shape import JobShape, JobSummaryShape, QueueShape
from providers.jobs import content, queue
from providers.jobs.cancellation import cancel
from providers.jobs.facts import job_url, opened_result
from providers.jobs.operations import OPERATIONS
from providers.jobs.orders import PRIORITIES
from providers.jobs.transitions import TERMINAL
from providers.models import Job
from tenants.api.fields import NoFields
from tenants.api.pages import bad_parameter
from tenants.api.schema import DRY_RUN, PAGING, page_shape
from tenants.problems import Problem

_FILTERS = [
    OpenApiParameter("state", str, description="One or more states, separated by commas."),
    OpenApiParameter("operation", str, description="One or more operations, separated by commas."),
    OpenApiParameter("priority", str, description="One or more priorities, separated by commas."),
    OpenApiParameter("model", str, description="The name of a model."),
    OpenApiParameter("provider", str, description="The id of a provider."),
]


class JobImpactShape(serializers.Serializer[Any]):
    impact = serializers.DictField(child=serializers.IntegerField())

    class Meta:
        ref_name = "JobImpact"


class JobsView(ProvidersView):
    tag = "jobs"

    def jobs(self) -> QuerySet[Job]:
        return Job.objects.for_tenant(self.tenant).defer("input")

    def job(self, job_id: str) -> Job:
        return self.get_or_404(self.jobs(), job_id)

    def show(self, job: Job) -> Any:
        return JobShape(job, context={"slug": self.caller.tenant_slug}).data


class JobListView(JobsView):
    scopes = {"GET": "jobs:read"}
    beside_django = ("POST",)

    @extend_schema(operation_id="jobs_list", parameters=[*PAGING, *_FILTERS], responses=page_shape(JobSummaryShape))
    def get(self, request: Request, tenant: str) -> Response:
        """Jobs without their results, newest first."""
        rows = by_choice(self.jobs().defer("input", "result"), request, "state", Job.State.values)
        rows = by_choice(rows, request, "operation", list(OPERATIONS))
        rows = by_choice(rows, request, "priority", PRIORITIES)
        rows = by_id(_of_model(rows, request), request, "provider")
        slug = self.caller.tenant_slug
        return self.page(rows, JobSummaryShape, orderings=("id", "created_at"), context={"slug": slug})


class JobView(JobsView):
    scopes = {"GET": "jobs:read", "DELETE": "jobs:write"}

    @extend_schema(operation_id="jobs_retrieve", responses=JobShape)
    def get(self, request: Request, tenant: str, job: str) -> Response:
        """One job, with its result once it has succeeded."""
        return self.shown(self.show(self.job(job)))

    @extend_schema(operation_id="jobs_delete", parameters=[DRY_RUN], responses={200: JobImpactShape, 204: None})
    def delete(self, request: Request, tenant: str, job: str) -> Response:
        """Erase the content of an ended job: input, result and frames. Its facts stay for 90 days."""
        row = self.job(job)
        if self.flag("dry_run"):
            return self.shown({"impact": {"jobs": 0 if row.content_erased_at else 1}})
        content.erase(row, by=self.caller.actor)
        return self.no_content()


class JobCancelView(JobsView):
    scopes = {"POST": "jobs:write"}

    @extend_schema(operation_id="jobs_cancel", request=NoFields, responses={200: JobShape, 202: JobShape})
    def post(self, request: Request, tenant: str, job: str) -> Response:
        """Ask for the end of a job: 200 when it has ended, 202 while its worker still closes the connection."""
        self.read_nothing()
        row = cancel(self.job(job), by=self.caller.actor)
        if row.state in TERMINAL:
            return self.shown(self.show(row))
        return self.accepted(self.show(row), job_url(self.caller.tenant_slug, row.pk))


class JobEventsView(JobsView):
    """For the methods that the stream beside Django does not take."""

    beside_django = ("GET",)


class JobContentView(JobsView):
    scopes = {"GET": "jobs:read"}

    @extend_schema(operation_id="jobs_content", responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request, tenant: str, job: str) -> Response:
        """The result alone, as the model server's operation gives it."""
        row = self.job(job)
        if row.state not in TERMINAL:
            raise Problem("job_not_finished", "The job has no content before it has ended.")
        result = opened_result(row)
        if result is None:
            raise Problem("not_found", "The job ended without a result, or it was erased.")
        return self.shown(result)


class QueueView(JobsView):
    scopes = {"GET": "jobs:read"}

    @extend_schema(operation_id="queue_retrieve", responses=QueueShape)
    def get(self, request: Request, tenant: str) -> Response:
        """What of the tenant waits and runs now."""
        return self.shown(QueueShape(queue.overview(self.tenant)).data)


def _of_model(rows: QuerySet[Job], request: Request) -> QuerySet[Job]:
    name = request.query_params.get("model")
    if name is None:
        return rows
    if "\x00" in name or len(name) > 255:
        raise bad_parameter("model", "This must be at most 255 characters without NUL.")
    return rows.filter(model_name=name)
