"""What an attempt that goes wrong comes to: another one, with the event that says so, or an honest end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fakes.localai import FakeLocalAI
from tests.providers.jobs.client import EMBED, HELLO, JobsClient, recorded, text_of
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("worker")

CHAT = "/v1/chat/completions"


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The figures of the backoff, not its rules."""
    monkeypatch.setattr("providers.jobs.retries.FIRST_DELAY_SECONDS", 0.05)


def test_a_loading_model_is_waited_for_and_costs_no_failure(acme_jobs: JobsClient, localai: FakeLocalAI):
    localai.dial.fail, localai.dial.fail_times, localai.dial.retry_after = "model_loading", 4, "0"

    job = acme_jobs.ended(acme_jobs.submit()["id"])

    assert job["state"] == "succeeded"
    assert job["attempt"] == 5


def test_three_attempts_ended_by_the_upstream_are_the_end(acme_jobs: JobsClient, localai: FakeLocalAI):
    localai.dial.fail = "backend_eof"

    job = acme_jobs.ended(acme_jobs.submit()["id"])

    assert (job["state"], job["attempt"], job["result"]) == ("failed", 3, None)
    assert job["error"]["code"] == "backend_crashed"
    assert job["error"]["whose"] == "upstream"
    assert job["error"]["retryable"] is True
    assert job["error"]["remedy"]
    assert len(localai.requests(CHAT)) == 3


def test_a_mistake_of_the_caller_is_final(acme_jobs: JobsClient, localai: FakeLocalAI):
    localai.dial.fail = "context_overflow"

    job = acme_jobs.ended(acme_jobs.submit()["id"])

    assert (job["state"], job["attempt"]) == ("failed", 1)
    assert (job["error"]["code"], job["error"]["whose"]) == ("context_length_exceeded", "caller")
    assert job["error"]["retryable"] is False


def test_a_stream_that_is_cut_runs_again_and_its_readers_are_told(acme_jobs: JobsClient, localai: FakeLocalAI):
    localai.dial.fail, localai.dial.fail_times, localai.dial.fail_after_tokens = "backend_eof", 1, 2

    job_id = acme_jobs.submit()["id"]
    events = recorded(acme_jobs.events(job_id))

    names = [event.name for event in events]
    assert names.index("restart") > names.index("delta")
    assert [e.data for e in events if e.name == "restart"] == [{"attempt": 2}]
    assert [e.data["state"] for e in events if e.name == "status"] == ["running", "queued", "running"]
    assert events[-1].data["state"] == "succeeded"
    assert text_of(events) == events[-1].data["result"]["choices"][0]["message"]["content"]
    assert acme_jobs.events(job_id)[0].raw == events[0].raw


def test_a_restart_is_told_before_the_first_delta_though_nothing_was_shown(acme_jobs: JobsClient, localai: FakeLocalAI):
    localai.dial.fail, localai.dial.fail_times = "backend_eof", 1

    events = recorded(acme_jobs.events(acme_jobs.submit()["id"]))

    names = [event.name for event in events]
    assert names[:5] == ["status", "status", "status", "restart", "delta"]


def test_a_job_that_may_not_restart_fails_once_a_token_was_shown(acme_jobs: JobsClient, localai: FakeLocalAI):
    localai.dial.fail, localai.dial.fail_times, localai.dial.fail_after_tokens = "backend_eof", 1, 2

    job = acme_jobs.ended(acme_jobs.submit(restart="before_first_token")["id"])

    assert (job["state"], job["attempt"]) == ("failed", 1)
    assert job["error"]["retryable"] is True


def test_a_job_that_may_not_restart_does_so_before_its_first_token(acme_jobs: JobsClient, localai: FakeLocalAI):
    localai.dial.fail, localai.dial.fail_times = "backend_eof", 1

    job = acme_jobs.ended(acme_jobs.submit(restart="before_first_token")["id"])

    assert (job["state"], job["attempt"]) == ("succeeded", 2)


@pytest.mark.parametrize(
    ("dial", "code"),
    [
        ({"empty_stream": True}, "empty_stream"),
        ({"cut_after_tokens": 2}, "error_in_stream"),
        ({"raw_answer": (200, "text/html", b"<html>Sign in</html>")}, "web_page_not_api"),
    ],
    ids=["empty", "cut", "page"],
)
def test_what_is_no_answer_is_no_success(acme_jobs: JobsClient, localai: FakeLocalAI, dial: dict[str, Any], code: str):
    for name, value in dial.items():
        setattr(localai.dial, name, value)

    job = acme_jobs.ended(acme_jobs.submit()["id"])

    assert (job["state"], job["error"]["code"]) == ("failed", code)


def test_a_server_that_was_asked_to_stream_and_did_not_is_taken_at_its_word(
    acme_jobs: JobsClient, localai: FakeLocalAI
):
    message = {"role": "assistant", "content": "Hi."}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    whole = json.dumps({"object": "chat.completion", "choices": choices}).encode()
    localai.dial.raw_answer = (200, "application/json", whole)

    events = acme_jobs.events(acme_jobs.submit()["id"])

    assert text_of(events) == "Hi."
    assert events[-1].data["result"]["choices"][0]["message"]["content"] == "Hi."


def test_the_server_is_asked_to_stream_for_its_own_name_of_the_model(acme_jobs: JobsClient, localai: FakeLocalAI):
    from providers.models import ModelEntry

    ModelEntry.unscoped.filter(name="gpt-3.5-turbo").update(name="fast", parameters={"temperature": 0.1, "top_p": 1})

    job = acme_jobs.ended(acme_jobs.submit({**HELLO, "model": "fast", "input": {**HELLO["input"], "top_p": 0.5}})["id"])

    sent = localai.requests(CHAT)[-1].json
    assert sent["model"] == "gpt-3.5-turbo"
    assert sent["stream"] is True
    assert (sent["temperature"], sent["top_p"]) == (0.1, 0.5)
    assert job["result"]["model"] == "fast"
    assert {e.data["model"] for e in acme_jobs.events(job["id"]) if e.name == "delta"} == {"fast"}


def test_usage_is_counted_where_the_server_does_not(acme_jobs: JobsClient, localai: FakeLocalAI):
    from providers.models import UsageRecord

    localai.dial.omit_usage = True
    chat = acme_jobs.ended(acme_jobs.submit()["id"])
    vectors = acme_jobs.ended(acme_jobs.submit(EMBED)["id"])

    assert chat["usage"]["completion_tokens"] > 0
    assert vectors["usage"]["prompt_tokens"] > 0
    records = {record.operation: record for record in UsageRecord.unscoped.all()}
    assert records["chat.completions"].is_estimated
    assert records["chat.completions"].first_token_ms is not None
    assert records["embeddings"].outcome == "succeeded"


def test_a_model_that_is_switched_off_meanwhile_ends_the_job(acme_jobs: JobsClient, localai: FakeLocalAI):
    from providers.models import ModelEntry, UsageRecord
    from providers.routing import invalidate

    localai.dial.hang = True
    running = [acme_jobs.submit()["id"] for _ in range(4)]
    wait_for(lambda: len(localai.requests(CHAT)) == 4)
    waiting = acme_jobs.submit()["id"]
    entry = ModelEntry.unscoped.get(name="gpt-3.5-turbo")
    ModelEntry.unscoped.filter(pk=entry.pk).update(enabled=False)
    invalidate(entry.tenant_id)

    job = acme_jobs.ended(waiting)

    assert (job["state"], job["error"]["code"]) == ("failed", "model_disabled")
    assert [record.outcome for record in UsageRecord.unscoped.filter(job_id=waiting)] == ["model_disabled"]
    assert acme_jobs.job(running[0])["state"] == "running"
