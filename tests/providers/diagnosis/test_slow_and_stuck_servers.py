"""Rows 17 and 18 of the diagnosis table: a cold model that takes too long, and a server that never answers."""

from __future__ import annotations

from dataclasses import dataclass

from providers.upstream.target import Timeouts
from providers.validation.steps import ToProbe
from tests.fakes.localai import FakeLocalAI
from tests.fakes.runs import validate

LLM = [("gpt-3.5-turbo", "llm")]
EMBEDDING = [("text-embedding-ada-002", "text-embedding")]
# One short deadline at a time: no other may come first where the machine is slow.
IMPATIENT = Timeouts(connect_seconds=60, first_token_seconds=0.4, idle_seconds=60, total_seconds=90)
RESTLESS = Timeouts(connect_seconds=60, first_token_seconds=60, idle_seconds=0.3, total_seconds=90)


@dataclass
class ShortOnceAsked:
    """Deadlines that are short from the second request on: whatever comes before it has all the time it needs."""

    fake: FakeLocalAI
    connect_seconds = first_token_seconds = idle_seconds = 60.0

    @property
    def total_seconds(self) -> float:
        return 0.5 if self.fake.ledger else 90.0


# --- Row 17 ---
async def test_a_cold_model_that_takes_too_long_is_to_be_warmed_up(fake: FakeLocalAI) -> None:
    fake.dial.cold_load_seconds = 600

    run = await validate(fake.url, "infer", [*LLM, *EMBEDDING], timeouts=IMPATIENT)

    assert [finding.code for finding in run.findings[-2:]] == ["first_token_timeout"] * 2
    assert "0.4 s" in run.message
    assert "A cold model loads inside its first request" in run.remedy
    assert "first_token_timeout_seconds" in run.remedy


async def test_a_cold_model_within_its_time_is_no_fault(fake: FakeLocalAI) -> None:
    fake.dial.cold_load_seconds = 0.5

    run = await validate(fake.url, "infer", LLM)

    assert run.code is None
    assert (run.outcome.probed[0].first_token_ms or 0) >= 500


async def test_a_request_that_was_given_up_is_ended_at_the_server_too(fake: FakeLocalAI) -> None:
    fake.dial.cold_load_seconds = 600

    await validate(fake.url, "infer", LLM, timeouts=IMPATIENT)

    assert fake.wait_for(lambda: fake.requests("/v1/chat/completions")[0].aborted_at)


async def test_a_model_is_tried_within_its_own_deadlines(fake: FakeLocalAI) -> None:
    fake.dial.cold_load_seconds = 600
    fake.models["gpt-3.5-turbo"].cold_load_seconds = 0.8
    patience = {"first_token_timeout_seconds": 60, "total_timeout_seconds": 90}
    patient = ToProbe("gpt-3.5-turbo", "llm", settings=patience)

    run = await validate(fake.url, "infer", [patient, *EMBEDDING], timeouts=IMPATIENT)

    assert [finding.code for finding in run.findings[-2:]] == ["ok", "first_token_timeout"]


# --- Row 18 ---
async def test_an_answer_that_stops_in_the_middle_is_a_stuck_backend(fake: FakeLocalAI) -> None:
    fake.dial.stall_after_tokens = 2

    run = await validate(fake.url, "infer", LLM, timeouts=RESTLESS)

    assert run.steps[-1] == ("infer", "stalled")
    assert "busy watchdog" in run.remedy
    assert "max_concurrency" in run.remedy


async def test_a_server_that_does_not_even_list_its_models_is_stuck(fake: FakeLocalAI) -> None:
    fake.dial.hang_listing = True

    run = await validate(fake.url, timeouts=ShortOnceAsked(fake))

    assert run.steps[-1] == ("auth", "stalled")
    assert run.message == "The server took GET /v1/models and gave no answer within 0.5 s."


async def test_a_model_that_hangs_for_good_ends_by_our_own_clock(fake: FakeLocalAI) -> None:
    fake.dial.hang = True

    run = await validate(fake.url, "infer", LLM, timeouts=IMPATIENT)

    assert run.steps[-1] == ("infer", "first_token_timeout")
    assert run.last.elapsed_ms < 30_000  # of the 90 s that a whole call may take


async def test_a_drip_of_bytes_does_not_pass_for_an_answer(fake: FakeLocalAI) -> None:
    fake.dial.drip_seconds, fake.dial.piece_bytes = 0.2, 1  # the whole answer takes minutes

    run = await validate(fake.url, "infer", LLM, timeouts=IMPATIENT)

    assert run.last.ok is False
    assert run.last.elapsed_ms < 30_000
