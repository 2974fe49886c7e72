"""`Idempotency-Key`: the record stands in the job's own commit, so that a submit sent twice is one job."""

from concurrent.futures import ThreadPoolExecutor

from providers.models import Job
from tests.providers.jobs.client import HELLO, JobsClient

KEY = {"Idempotency-Key": "order-7"}


def test_the_same_request_gets_the_same_answer(acme_jobs: JobsClient):
    first = acme_jobs.post("/jobs", json=HELLO, headers=KEY)
    second = acme_jobs.post("/jobs", json=HELLO, headers=KEY)

    assert (first.status_code, second.status_code) == (202, 202)
    assert second.json() == first.json()
    assert second.headers["location"] == first.headers["location"]
    assert second.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert Job.unscoped.count() == 1


def test_another_body_under_the_same_key_is_refused(acme_jobs: JobsClient):
    acme_jobs.post("/jobs", json=HELLO, headers=KEY)

    answer = acme_jobs.post("/jobs", json={**HELLO, "priority": "batch"}, headers=KEY)

    assert answer.status_code == 422
    assert answer.json()["code"] == "idempotency_key_reused"


def test_a_key_that_is_no_key_is_refused(acme_jobs: JobsClient):
    answer = acme_jobs.post("/jobs", json=HELLO, headers={"Idempotency-Key": "x" * 256})

    assert answer.json()["code"] == "idempotency_key_invalid"


def test_a_refused_submit_leaves_the_key_free(acme_jobs: JobsClient):
    acme_jobs.post("/jobs", json={**HELLO, "model": "nobody"}, headers=KEY)

    assert acme_jobs.post("/jobs", json=HELLO, headers=KEY).status_code == 202


def test_of_many_at_once_one_becomes_a_job(acme_jobs: JobsClient):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: acme_jobs.post("/jobs", json=HELLO, headers=KEY), range(16)))

    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 202}) == 1
    assert Job.unscoped.count() == 1
