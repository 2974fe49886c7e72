"""A job, and a tenant's queue, in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from providers.jobs import queue
from providers.jobs.facts import job_facts, opened_result
from providers.jobs.operations import OPERATIONS
from providers.jobs.orders import PRIORITIES, RESTARTS
from providers.models import Job

WHOSE = ["caller", "upstream", "platform"]


class QueuePlaceShape(serializers.Serializer[Any]):
    """Where a queued job stands in its endpoint's order: 1 is next. `eta_seconds` is null where nothing is known yet.

    Both are estimates: tenants take turns, and others may come.
    """

    position = serializers.IntegerField()
    eta_seconds = serializers.IntegerField(allow_null=True)

    class Meta:
        ref_name = "QueuePlace"


class JobErrorShape(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="A code of docs/errors.md.")
    message = serializers.CharField()
    retryable = serializers.BooleanField(help_text="The same job may pass another time.")
    whose = serializers.ChoiceField(WHOSE)
    remedy = serializers.CharField()

    class Meta:
        ref_name = "JobError"


class UsageShape(serializers.Serializer[Any]):
    prompt_tokens = serializers.IntegerField()
    completion_tokens = serializers.IntegerField()
    total_tokens = serializers.IntegerField()

    class Meta:
        ref_name = "TokenUsage"


class JobRows(serializers.ListSerializer[Any]):
    """Rows of a page, with the places of those that wait asked for together."""

    def to_representation(self, data: Any) -> list[Any]:
        rows: list[Job] = list(data)
        assert isinstance(self.context, dict)
        self.context["places"] = queue.places_of([job for job in rows if job.state == Job.State.QUEUED])
        return super().to_representation(rows)


class JobSummaryShape(serializers.Serializer[Any]):
    """A job without its result."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(Job.State.choices)
    operation = serializers.ChoiceField(list(OPERATIONS))
    model = serializers.CharField()
    priority = serializers.ChoiceField(PRIORITIES)
    restart = serializers.ChoiceField(RESTARTS)
    attempt = serializers.IntegerField(help_text="How often it was started.")
    queue = QueuePlaceShape(allow_null=True)
    events_url = serializers.CharField()
    error = JobErrorShape(allow_null=True)
    usage = UsageShape(allow_null=True)
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    deadline_at = serializers.DateTimeField()
    cancel_requested_at = serializers.DateTimeField(allow_null=True)
    content_erased_at = serializers.DateTimeField(allow_null=True)
    redrive_of = serializers.UUIDField(allow_null=True, help_text="The dead job that an operator started anew.")
    metadata = serializers.DictField()

    class Meta:
        ref_name = "JobSummary"
        list_serializer_class = JobRows

    def to_representation(self, instance: Job) -> dict[str, Any]:
        place = self.context.get("places", {}).get(instance.pk)
        facts = job_facts(instance, slug=self.context["slug"], queue=place)
        del facts["result"]
        return facts


class JobShape(JobSummaryShape):
    """`result` is the model server's OpenAI-shaped body, once the job has succeeded and until it is erased."""

    result = serializers.DictField(allow_null=True)

    class Meta:
        ref_name = "Job"

    def to_representation(self, instance: Job) -> dict[str, Any]:
        place = queue.place_of(instance)
        return job_facts(instance, slug=self.context["slug"], result=opened_result(instance), queue=place)


class QueueLaneShape(serializers.Serializer[Any]):
    interactive = serializers.IntegerField()
    normal = serializers.IntegerField()
    batch = serializers.IntegerField()

    class Meta:
        ref_name = "QueueLanes"


class ProviderQueueShape(serializers.Serializer[Any]):
    provider = serializers.UUIDField(allow_null=True)
    queued = serializers.IntegerField()
    running = serializers.IntegerField()
    next = QueuePlaceShape(allow_null=True, help_text="Where the tenant's next job of this provider stands.")
    last = QueuePlaceShape(allow_null=True, help_text="Where its last one stands.")

    class Meta:
        ref_name = "ProviderQueue"


class QueueShape(serializers.Serializer[Any]):
    """What of the tenant waits and runs now."""

    queued = serializers.IntegerField()
    running = serializers.IntegerField()
    by_priority = QueueLaneShape(help_text="Queued jobs of each priority.")
    oldest_queued_at = serializers.DateTimeField(allow_null=True)
    providers = ProviderQueueShape(many=True)

    class Meta:
        ref_name = "Queue"
