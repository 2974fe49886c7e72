"""A job is taken in, run by a worker, and its result and events are there for whoever asks."""

import pytest

from tests.providers.jobs.client import EMBED, HELLO, JobsClient, recorded, text_of

pytestmark = pytest.mark.usefixtures("worker")


def test_a_chat_job_succeeds_with_the_whole_completion(acme_jobs: JobsClient):
    job = acme_jobs.submit()

    ended = acme_jobs.ended(job["id"])
    assert ended["state"] == "succeeded"
    assert ended["error"] is None
    assert ended["result"]["object"] == "chat.completion"
    assert ended["result"]["model"] == "gpt-3.5-turbo"
    assert ended["result"]["choices"][0]["message"]["content"]
    assert ended["result"]["choices"][0]["finish_reason"] == "stop"
    assert ended["usage"]["completion_tokens"] > 0
    assert ended["attempt"] == 1


def test_its_events_are_running_then_deltas_then_done(acme_jobs: JobsClient):
    job = acme_jobs.submit()

    events = recorded(acme_jobs.events(job["id"]))

    names = [event.name for event in events]
    assert names[0] == "status"
    assert events[0].data == {"state": "running", "attempt": 1}
    assert set(names[1:-1]) == {"delta"}
    assert names[-1] == "done"
    done = events[-1].data
    assert done == acme_jobs.job(job["id"])
    assert text_of(events) == done["result"]["choices"][0]["message"]["content"]


def test_an_embedding_job_succeeds(acme_jobs: JobsClient):
    job = acme_jobs.submit(EMBED)

    ended = acme_jobs.ended(job["id"])
    assert ended["state"] == "succeeded"
    assert len(ended["result"]["data"]) == 2
    assert ended["result"]["usage"]["prompt_tokens"] > 0


def test_a_completion_job_with_two_prompts_succeeds(acme_jobs: JobsClient):
    job = acme_jobs.submit({**HELLO, "operation": "completions", "input": {"prompt": ["a", "b"]}})

    assert acme_jobs.ended(job["id"])["state"] == "succeeded"
