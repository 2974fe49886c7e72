"""What the gateway tries again by itself, and that this never becomes a burden to a box in trouble."""

import asyncio
import socket
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from providers.gateway import retries
from tests.fakes.localai import FakeLocalAI
from tests.fakes.localai_failures import Failure
from tests.providers.gateway.conftest import HELLO, chunks, error
from tests.providers.rows import add_model, add_provider

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


def asks_to_come_back(seconds, status=503):
    return Failure(status, "model is at capacity", "admission_rejected", retry_after=seconds, before_stream=True)


def calls(gateway):
    return len(gateway.fake.requests("/v1/chat/completions"))


@pytest.fixture(autouse=True)
def whole_budget(monkeypatch):
    """Not what another test has left at a server that had the same port."""
    monkeypatch.setattr(retries, "_budget", retries.RetryBudget())


@pytest.fixture
def late_server(monkeypatch):
    """A server that begins to listen while a call that it refused pauses; however slow the machine is."""
    monkeypatch.setattr(retries, "REPEAT_WITHIN_SECONDS", 60.0)
    reserved = socket.socket()
    reserved.bind(("127.0.0.1", 0))
    late = FakeLocalAI(port=reserved.getsockname()[1], reserved=reserved)
    pauses = []

    async def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 2:
            late.start()
        await asyncio.sleep(seconds)

    monkeypatch.setattr(retries, "asyncio", SimpleNamespace(sleep=pause))
    yield late
    if len(pauses) >= 2:
        late.stop()
    reserved.close()


def test_a_refused_connection_is_tried_again(gateway, late_server):
    later = add_provider(gateway.team, late_server.url, name="later")
    add_model(later, "later", upstream_name="gpt-3.5-turbo")

    assert gateway.chat(model="later").status_code == 200


def test_a_request_that_may_have_arrived_is_not_repeated(gateway):
    gateway.fake.dial.fail, gateway.fake.dial.fail_times = "backend_eof", 1

    gateway.chat()

    assert calls(gateway) == 1


def test_a_short_wait_that_the_server_asks_for_is_waited_out(gateway):
    for streamed, status, times in ((False, 503, 2), (True, 429, 1)):
        gateway.fake.dial.fail, gateway.fake.dial.fail_times = asks_to_come_back("0.2", status), times
        gateway.fake.ledger.clear()

        response = gateway.chat(stream=streamed)

        assert response.status_code == 200
        assert calls(gateway) == times + 1


def test_after_two_more_tries_or_a_longer_wait_it_is_the_callers(gateway):
    for seconds, shown, tries in (("0.2", "1", 3), ("3", "3", 1)):
        gateway.fake.dial.fail = asks_to_come_back(seconds)
        gateway.fake.ledger.clear()

        response = gateway.chat()

        assert error(response) == (503, "provider_cooling_down")
        assert response.headers["retry-after"] == shown
        assert calls(gateway) == tries


def test_nothing_is_repeated_once_a_token_was_shown(gateway):
    gateway.fake.dial.fail = replace(asks_to_come_back("0.2"), before_stream=False)
    gateway.fake.dial.fail_after_tokens = 2

    response = gateway.stream()

    assert "error" in chunks(response)[-1]
    assert calls(gateway) == 1


def test_retries_stay_below_a_tenth_of_the_calls(gateway):
    """But for the few that an endpoint has to begin with."""
    gateway.fake.dial.fail = asks_to_come_back("0")

    began = time.monotonic()
    with gateway.client() as client:
        for _ in range(50):
            assert client.post("/v1/chat/completions", json=HELLO).status_code == 503
    earned = (time.monotonic() - began) * retries.TOKENS_PER_SECOND

    assert 50 < calls(gateway) <= 50 + 5 + 3 + earned
