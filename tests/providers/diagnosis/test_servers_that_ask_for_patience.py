"""Row 26 of the diagnosis table: 503 with Retry-After, for a rest, a limit or a load under way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.fakes.localai import FakeLocalAI
from tests.fakes.runs import validate

EMBEDDING = [("text-embedding-ada-002", "text-embedding")]


@pytest.mark.parametrize(("failure", "seconds"), [("cooldown", 10), ("admission", 1), ("capacity", 1), ("quota", 30)])
async def test_a_server_at_capacity_is_overloaded_and_tells_when_to_come_back(
    fake: FakeLocalAI, failure: str, seconds: int
) -> None:
    fake.dial.fail = failure

    run = await validate(fake.url, "infer", EMBEDDING)

    assert run.steps[-1] == ("infer", "overloaded")
    assert run.last.evidence["retry_after_seconds"] == seconds
    assert f"in {seconds} s" in run.message
    assert "Try again after Retry-After" in run.remedy


async def test_a_model_that_is_loading_elsewhere_is_told_apart(fake: FakeLocalAI) -> None:
    fake.dial.fail = "model_loading"

    run = await validate(fake.url, "infer", EMBEDDING)

    assert run.steps[-1] == ("infer", "model_loading")
    assert run.last.evidence["retry_after_seconds"] == 15
    assert run.last.evidence["progress"] == 0.4
    assert "Wait as long as Retry-After says" in run.remedy


async def test_the_same_inside_a_stream_is_the_same(fake: FakeLocalAI) -> None:
    fake.dial.fail = "cooldown"

    run = await validate(fake.url, "infer", [("gpt-3.5-turbo", "llm")])

    assert run.code == "overloaded"


async def test_the_time_may_be_a_date(fake: FakeLocalAI) -> None:
    fake.dial.fail = "capacity"
    fake.dial.retry_after = format_datetime(datetime.now(UTC) + timedelta(seconds=600), usegmt=True)

    run = await validate(fake.url, "infer", EMBEDDING)

    assert 500 <= run.last.evidence["retry_after_seconds"] <= 601


@pytest.mark.parametrize("said", ["", "soon", "-5"])
async def test_no_time_or_a_senseless_one_is_no_time(fake: FakeLocalAI, said: str) -> None:
    fake.dial.fail, fake.dial.retry_after = "capacity", said

    run = await validate(fake.url, "infer", EMBEDDING)

    assert run.code == "overloaded"
    assert "retry_after_seconds" not in run.last.evidence or run.last.evidence["retry_after_seconds"] >= 0
