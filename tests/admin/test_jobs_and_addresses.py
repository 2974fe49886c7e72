"""Operators see the queue, end jobs, and say which private addresses may be dialled."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from django.utils import timezone

from providers.jobs.claims import input_place
from providers.models import EgressGrant, Job, ModelEntry, Provider
from providers.routing import egress_policy
from tenants.models import AuditEvent
from tenants.sealing import seal
from tests.admin.conftest import act, add_job, address, page_of, staff_member

GRANT = {"cidr": "10.0.8.0/24", "port_from": "8080", "port_to": "8090"}


# --- Jobs ---


def test_a_queued_job_is_cancelled(staff, operator, stock):
    act(staff, stock[Job], "cancel")

    assert Job.unscoped.get().state == "cancelled"
    assert AuditEvent.unscoped.get(action="job.cancelled").actor_id == operator.id


def test_a_running_job_is_asked_to_end(staff, stock):
    Job.unscoped.update(state="running")

    act(staff, stock[Job], "cancel")

    job = Job.unscoped.get()
    assert job.state == "running"
    assert job.cancel_requested_at is not None
    assert "cancel requested" in page_of(staff, Job, "change", job.pk)


def test_an_ended_job_offers_no_cancel(staff, stock):
    Job.unscoped.update(state="succeeded", finished_at=timezone.now())

    assert address(Job, "cancel", stock[Job].pk) not in page_of(staff, Job, "change", stock[Job].pk)


def test_a_dead_job_is_started_anew_and_its_page_follows(staff, operator, stock):
    Job.unscoped.update(
        state="dead", finished_at=timezone.now(), input=seal(b"{}", input_place(stock[Job].tenant_id, stock[Job].pk))
    )

    answer = act(staff, stock[Job], "redrive")

    anew = Job.unscoped.get(redrive_of=stock[Job].pk)
    assert (anew.state, anew.tenant_id) == ("queued", stock[Job].tenant_id)
    assert str(anew.pk) in answer.headers["HX-Redirect"]
    assert str(stock[Job].pk) in page_of(staff, Job, "change", anew.pk)
    assert AuditEvent.unscoped.get(action="job.redriven").actor_id == operator.id


def test_only_a_dead_job_and_only_one_who_may_change_jobs_starts_it_anew(staff, stock):
    button = address(Job, "redrive", stock[Job].pk)
    assert button not in page_of(staff, Job, "change", stock[Job].pk)
    Job.unscoped.update(state="dead", finished_at=timezone.now())
    assert button in page_of(staff, Job, "change", stock[Job].pk)

    junior = staff_member("providers.view_job")

    assert button not in page_of(junior, Job, "change", stock[Job].pk)
    assert act(junior, stock[Job], "redrive").status_code == 403
    act(staff, stock[Job], "redrive")  # its content is gone: refused, and told
    assert Job.unscoped.count() == 1


def test_many_jobs_are_cancelled_and_ended_ones_left_alone(staff, stock):
    done = add_job(stock[Provider], stock[ModelEntry], state="succeeded", finished_at=timezone.now())
    body = {"action": "cancel_selected", "_selected_action": [str(stock[Job].pk), str(done.pk)]}

    answer = staff.post(address(Job, "changelist"), body, follow=True)

    assert sorted(Job.unscoped.values_list("state", flat=True)) == ["cancelled", "succeeded"]
    assert "1 cancelled." in answer.content.decode()


def test_a_failed_job_shows_code_message_and_remedy(staff, stock):
    error = {"code": "backend_crashed", "message": "The model's process died.", "remedy": "Look at LocalAI's log."}
    Job.unscoped.update(state="failed", finished_at=timezone.now(), error=error)

    page = page_of(staff, Job, "change", stock[Job].pk)

    assert "backend_crashed" in page
    assert "Look at LocalAI&#x27;s log." in page


def test_jobs_are_filtered_by_state(staff, stock):
    done = add_job(stock[Provider], stock[ModelEntry], state="succeeded", finished_at=timezone.now())

    page = page_of(staff, Job, "changelist", state__exact="queued")

    assert str(stock[Job].pk) in page
    assert str(done.pk) not in page


# --- Addresses ---


def test_an_address_is_granted_to_one_tenant(staff, operator, acme, globex):
    staff.post(address(EgressGrant, "add"), GRANT | {"tenant": acme.id, "reason": "the GPU rack"})

    grant = EgressGrant.objects.get()
    assert (grant.cidr, grant.port_from, grant.port_to, grant.created_by) == ("10.0.8.0/24", 8080, 8090, operator.email)
    assert "10.0.8.0/24:8080-8090" in map(str, egress_policy(acme.id).allowed)
    assert "10.0.8.0/24:8080-8090" not in map(str, egress_policy(globex.id).allowed)
    assert AuditEvent.unscoped.get(action="egress.granted").tenant_id == acme.id


def test_an_address_is_granted_to_every_tenant(staff, acme, globex):
    staff.post(address(EgressGrant, "add"), GRANT)

    assert "10.0.8.0/24:8080-8090" in map(str, egress_policy(globex.id).allowed)
    assert "10.0.8.0/24" in LogEntry.objects.get().object_repr


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"cidr": "10.0.8.0/99"}, "cidr"),
        ({"cidr": "gpu-box"}, "cidr"),
        ({"port_from": "9000"}, "port_to"),
        ({"port_to": "70000"}, "port_to"),
        ({"max_concurrency": "0"}, "max_concurrency"),
        ({"expires_at_0": "2020-01-01", "expires_at_1": "00:00"}, "expires_at"),
    ],
    ids=["prefix", "name", "order", "port", "capacity", "past"],
)
def test_a_grant_that_cannot_be_is_refused_beside_its_field(staff, changes, field):
    answer = staff.post(address(EgressGrant, "add"), GRANT | changes)

    assert field in answer.context["adminform"].form.errors
    assert not EgressGrant.objects.exists()


def test_a_withdrawn_grant_allows_nothing_any_more(staff, stock, acme):
    act(staff, stock[EgressGrant], "withdraw")

    assert list(egress_policy(acme.id).allowed) == []
    assert AuditEvent.unscoped.filter(action="egress.withdrawn").exists()


def test_a_grant_is_never_edited(staff, stock):
    answer = staff.post(address(EgressGrant, "change", stock[EgressGrant].pk), GRANT)

    assert answer.status_code == 403
    assert EgressGrant.objects.get().cidr == "192.168.1.100/32"


def test_the_list_shows_what_the_setting_allows(staff, settings):
    settings.EGRESS_ALLOW = ["172.20.0.0/16:8080"]

    assert "172.20.0.0/16:8080" in page_of(staff, EgressGrant, "changelist")


# --- The first page ---


def test_the_dashboard_counts_real_rows(staff, stock):
    Provider.unscoped.update(
        state="unreachable", state_reason="connection_refused", state_since=timezone.now() - timedelta(hours=5)
    )

    answer = staff.get(reverse("admin:index"))

    page = answer.content.decode()
    assert answer.context["queue"]["queued"] == 1
    assert answer.context["calls"]["number"] == 1
    assert "connection_refused" in page
    assert "gpu-box" in page
    assert 'data-state="unreachable"' in page


def test_an_empty_installation_has_a_dashboard_too(staff):
    assert "There are no providers yet." in staff.get(reverse("admin:index")).content.decode()
