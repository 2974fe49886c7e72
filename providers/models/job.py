from django.db import models
from django.db.models import Case, Q, Value, When
from django.db.models.functions import Concat
from django.utils import timezone

from tenants.scope import TenantScoped
from tenants.walls import SameTenant


class Job(TenantScoped):
    """One inference to be done by a worker. The row is the truth; every write of an attempt carries `lease_token`."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELLED = "cancelled"
        EXPIRED = "expired"
        DEAD = "dead"

    TERMINAL = ("succeeded", "failed", "cancelled", "expired", "dead")

    provider = models.ForeignKey("providers.Provider", null=True, on_delete=models.SET_NULL, related_name="jobs")
    model_entry = models.ForeignKey("providers.ModelEntry", null=True, on_delete=models.SET_NULL, related_name="+")
    model_name = models.CharField(max_length=255)
    operation = models.CharField(max_length=32)
    endpoint = models.CharField(max_length=300)  # what capacity is counted for: see glossary, "endpoint"
    priority = models.CharField(max_length=16, default="normal")
    restart = models.CharField(max_length=24, default="always")
    # Jobs that are alike stand in one line, and the oldest is next. The arbiter knows lines, not jobs.
    line = models.GeneratedField(
        expression=Concat(
            "endpoint",
            Value(" "),
            "tenant_id",
            Value(" "),
            "priority",
            Value(" "),
            Case(
                When(is_suspect=True, crashes__gt=0, then=Value("counted")),
                When(is_suspect=True, then=Value("suspect")),
                default=Value("-"),
            ),
            Value(" "),
            "model_entry_id",
            Value(" "),
            "operation",
            output_field=models.TextField(),
        ),
        output_field=models.TextField(),
        db_persist=True,
    )
    state = models.CharField(max_length=16, choices=State, default=State.QUEUED)
    attempt = models.PositiveIntegerField(default=0)  # starts
    failures = models.PositiveIntegerField(default=0)  # attempts ended by the upstream, against JOB_MAX_ATTEMPTS
    crashes = models.PositiveIntegerField(default=0)  # leases lost with their process, where the process was not full
    is_suspect = models.BooleanField(default=False)  # was in a fuller process that died: runs again two at a time
    lease_token = models.PositiveBigIntegerField(default=0)
    lease_owner = models.CharField(max_length=100, blank=True)
    lease_until = models.DateTimeField(null=True)
    run_after = models.DateTimeField(null=True)
    deadline_at = models.DateTimeField()
    cancel_requested_at = models.DateTimeField(null=True)
    api_key_id = models.UUIDField(null=True)  # for metering; no foreign key: keys may go before their jobs
    actor_label = models.CharField(max_length=254, blank=True)
    metadata = models.JSONField(default=dict)
    input = models.BinaryField(null=True)  # sealed
    result = models.BinaryField(null=True)  # sealed
    error = models.JSONField(null=True)
    usage = models.JSONField(null=True)
    redrive_of = models.UUIDField(null=True)  # the dead job that an operator started anew
    content_erased_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)  # told in the answer before the row is committed
    started_at = models.DateTimeField(null=True)
    first_token_at = models.DateTimeField(null=True)  # of the present attempt: a token may have been shown
    finished_at = models.DateTimeField(null=True)

    class Meta(TenantScoped.Meta):
        constraints = [
            models.UniqueConstraint(fields=["tenant", "id"], name="job_of_tenant"),
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running", "succeeded", "failed", "cancelled", "expired", "dead"]),
                name="job_state_known",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running"], finished_at__isnull=True)
                | Q(state__in=["succeeded", "failed", "cancelled", "expired", "dead"], finished_at__isnull=False),
                name="job_finished_when_terminal",
            ),
            SameTenant(column="provider_id", target="providers_provider", name="job_provider_wall"),
            SameTenant(column="model_entry_id", target="providers_modelentry", name="job_model_wall"),
        ]
        indexes = [
            models.Index(fields=["tenant", "-id"], name="job_by_tenant"),
            models.Index(fields=["line", "id"], condition=Q(state="queued"), name="job_lines"),
            models.Index(fields=["tenant"], condition=Q(state="queued"), name="job_waiting"),
            models.Index(fields=["lease_until"], condition=Q(state="running"), name="job_leases"),
            models.Index(fields=["deadline_at"], condition=Q(state__in=["queued", "running"]), name="job_deadlines"),
        ]

    def __str__(self) -> str:
        return f"{self.operation} {str(self.id)[-12:]}"
