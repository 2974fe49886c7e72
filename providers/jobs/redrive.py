"""Start a dead job anew: an operator's act, once they know what killed the workers. The dead job stays as it is."""

from __future__ import annotations

from functools import partial

from django.db import transaction
from django.utils import timezone

from providers import doorbell
from providers.errors import Conflict
from providers.jobs.claims import input_place
from providers.jobs.new_job import NewJob, insert
from providers.models import Job
from tenants import audit
from tenants.actors import Actor
from tenants.ids import new_id
from tenants.sealing import Undecryptable, open_sealed


def redrive(job: Job, *, by: Actor) -> Job:
    """Queue a new job with the order of a dead one, `redrive_of` it, and as much time as that one had.

    Raises Conflict: `job_not_dead`, `job_redriven` (it was started anew before) or `job_content_gone`.
    """
    with transaction.atomic():
        dead = Job.objects.for_tenant(job.tenant_id).select_for_update().get(pk=job.pk)
        _check(dead)
        anew = _same_order(dead)
        insert([anew])
        made: Job = Job.objects.for_tenant(job.tenant_id).get(pk=anew.id)
        made.redrive_of = dead.pk
        made.save(update_fields=["redrive_of"])
        _record(dead, anew, by)
        transaction.on_commit(partial(doorbell.ring_now, "job"))
        return made


def _check(dead: Job) -> None:
    if dead.state != Job.State.DEAD:
        raise Conflict("job_not_dead", "Only a dead job is started anew.")
    if Job.objects.for_tenant(dead.tenant_id).filter(redrive_of=dead.pk).exists():
        raise Conflict("job_redriven", "This job was started anew before.")


def _same_order(dead: Job) -> NewJob:
    now = timezone.now()
    return NewJob(
        id=new_id(),
        tenant_id=dead.tenant_id,
        provider_id=dead.provider_id,
        model_entry_id=dead.model_entry_id,
        model_name=dead.model_name,
        operation=dead.operation,
        endpoint=dead.endpoint,
        priority=dead.priority,
        restart=dead.restart,
        deadline_at=now + (dead.deadline_at - dead.created_at),
        created_at=now,
        api_key_id=dead.api_key_id,
        actor_label=dead.actor_label,
        metadata=dead.metadata,
        input=_input_of(dead),
    )


def _input_of(dead: Job) -> bytes:
    try:
        if dead.input is not None:
            return open_sealed(bytes(dead.input), input_place(dead.tenant_id, dead.pk))
    except Undecryptable:
        pass  # what cannot be opened is as good as gone
    raise Conflict("job_content_gone", "What the job asked is not there any more.")


def _record(dead: Job, anew: NewJob, by: Actor) -> None:
    audit.record(
        tenant=dead.tenant_id,
        by=by,
        action="job.redriven",
        object_type="job",
        object_id=dead.pk,
        label=dead.model_name,
        detail={"operation": dead.operation, "new_job": str(anew.id)},
    )
