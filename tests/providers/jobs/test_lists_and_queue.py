"""The tenant's jobs as a list, and what of them waits and runs."""

from collections.abc import Iterator

import pytest

from providers.jobs import pace
from tenants.models import Tenant
from tests.factories import make_team
from tests.fakes.localai import FakeLocalAI
from tests.providers.jobs.client import EMBED, JobsClient
from tests.providers.rows import add_model, add_provider
from tests.waiting import wait_for


def test_the_newest_comes_first_and_pages_follow(acme_jobs: JobsClient):
    ids = [acme_jobs.submit()["id"] for _ in range(3)]

    first = acme_jobs.get("/jobs", params={"limit": 2}).json()
    second = acme_jobs.get(first["next"]).json()

    assert [job["id"] for job in first["results"] + second["results"]] == ids[::-1]
    assert [job["queue"]["position"] for job in first["results"]] == [3, 2]
    assert "result" not in first["results"][0]
    assert second["next"] is None


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"state": "queued"}, 3),
        ({"state": "running,succeeded"}, 0),
        ({"operation": "embeddings"}, 1),
        ({"priority": "batch"}, 1),
        ({"model": "gpt-3.5-turbo"}, 2),
        ({"model": "nobody"}, 0),
    ],
    ids=str,
)
def test_a_list_can_be_narrowed(acme_jobs: JobsClient, filters: dict[str, str], found: int):
    acme_jobs.submit()
    acme_jobs.submit(priority="batch")
    acme_jobs.submit(EMBED)

    assert len(acme_jobs.get("/jobs", params=filters).json()["results"]) == found


def test_a_filter_that_never_matches_is_refused(acme_jobs: JobsClient):
    assert acme_jobs.get("/jobs", params={"state": "lost"}).json()["code"] == "invalid_parameter"


@pytest.mark.usefixtures("worker")
def test_the_queue_counts_what_waits_and_runs(acme_jobs: JobsClient, localai: FakeLocalAI):
    localai.dial.hang = True
    ids = [acme_jobs.submit()["id"] for _ in range(4)]
    for job_id in ids:
        acme_jobs.in_state(job_id, "running")
    acme_jobs.submit(priority="batch")

    queue = acme_jobs.get("/queue").json()

    assert (queue["queued"], queue["running"]) == (1, 4)
    assert queue["by_priority"] == {"interactive": 0, "normal": 0, "batch": 1}
    assert queue["oldest_queued_at"]
    assert [(entry["queued"], entry["running"]) for entry in queue["providers"]] == [(1, 4)]
    assert queue["providers"][0]["next"] == queue["providers"][0]["last"] == {"position": 1, "eta_seconds": None}


@pytest.mark.usefixtures("worker")
def test_a_waiting_reader_is_told_where_the_job_stands(acme_jobs: JobsClient, localai: FakeLocalAI):
    localai.dial.hang = True
    first = [acme_jobs.submit()["id"] for _ in range(4)]
    for job_id in first:
        acme_jobs.in_state(job_id, "running")
    waiting = acme_jobs.submit()["id"]

    with acme_jobs.following(waiting) as events:
        event = next(events)

    assert (event.name, event.id) == ("status", None)
    assert event.data == {"state": "queued", "attempt": 0, "queue": {"position": 1, "eta_seconds": None}}


@pytest.fixture
def globex_jobs(web: str, acme_jobs: JobsClient, localai: FakeLocalAI) -> Iterator[JobsClient]:
    """Another tenant with a provider at the same box."""
    globex = make_team("globex")
    add_model(add_provider(globex, localai.url), "gpt-3.5-turbo")
    with JobsClient(web, "globex", globex.key) as client:
        yield client


def test_jobs_of_others_at_the_same_box_are_before_yours_and_unseen(acme_jobs: JobsClient, globex_jobs: JobsClient):
    acme_jobs.submit()

    job = globex_jobs.submit()

    assert job["queue"]["position"] == 2
    assert len(globex_jobs.get("/jobs").json()["results"]) == 1
    assert globex_jobs.get("/queue").json()["queued"] == 1


def test_a_position_counts_the_turns_of_others_and_not_their_whole_queue(
    acme_jobs: JobsClient, globex_jobs: JobsClient
):
    hers = [acme_jobs.submit()["id"] for _ in range(6)]

    theirs = [globex_jobs.submit() for _ in range(2)]

    assert [job["queue"]["position"] for job in theirs] == [2, 4]
    assert [acme_jobs.job(job_id)["queue"]["position"] for job_id in hers] == [1, 3, 5, 6, 7, 8]


def test_a_heavier_tenant_has_more_turns_before_yours(acme_jobs: JobsClient, globex_jobs: JobsClient):
    Tenant.objects.filter(slug="acme").update(weight=3)
    for _ in range(6):
        acme_jobs.submit()
    globex_jobs.submit()
    second = globex_jobs.submit()["id"]

    assert globex_jobs.job(second)["queue"]["position"] == 8


def test_priorities_go_before_each_other_within_a_tenant(acme_jobs: JobsClient):
    batch = acme_jobs.submit(priority="batch")["id"]
    normal = acme_jobs.submit()["id"]
    interactive = acme_jobs.submit(priority="interactive")

    assert interactive["queue"]["position"] == 1
    assert [acme_jobs.job(job_id)["queue"]["position"] for job_id in (normal, batch)] == [2, 3]
    [entry] = acme_jobs.get("/queue").json()["providers"]
    assert (entry["next"]["position"], entry["last"]["position"]) == (1, 3)


@pytest.mark.usefixtures("worker")
def test_once_jobs_have_ended_the_wait_is_estimated(acme_jobs: JobsClient, localai: FakeLocalAI):
    localai.dial.token_delay_seconds = 0.01
    acme_jobs.ended(acme_jobs.submit()["id"])
    wait_for(lambda: pace.known([acme_jobs_endpoint(localai)]))
    localai.dial.hang = True
    for _ in range(4):
        acme_jobs.in_state(acme_jobs.submit()["id"], "running")
    first, *_, last = [acme_jobs.submit()["id"] for _ in range(9)]

    assert acme_jobs.job(first)["queue"] == {"position": 1, "eta_seconds": 0}
    place = acme_jobs.job(last)["queue"]
    assert place["position"] == 9
    assert place["eta_seconds"] >= 1  # two turns of four


def acme_jobs_endpoint(localai: FakeLocalAI) -> str:
    return localai.url.removeprefix("http://")
