"""A call waits its turn at a busy server: for so long, in such numbers, and it says how long it waited."""

import threading

import pytest

from providers.models import Provider
from providers.redis import key, sync_redis
from tests.providers.gateway.conftest import chunks, error, held_call, in_line
from tests.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


@pytest.fixture
def busy(gateway, call):
    """The only slot is held by a call that `busy.let_go()` ends."""
    Provider.objects.for_tenant(gateway.team.id).update(settings={"max_concurrency": 1})
    gateway.fake.dial.hang = True
    holder = call()
    held_call(gateway)
    gateway.fake.dial.hang = False
    gateway.let_go = holder.close
    return gateway


def test_a_call_waits_until_the_slot_is_free(busy):
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(busy.chat()))
    waiting.start()
    wait_for(lambda: in_line(busy) == 1)
    busy.get("models")  # by now the gateway itself knows that the call waits

    busy.let_go()
    waiting.join(60)

    assert answers[0].status_code == 200
    assert int(answers[0].headers["x-queue-ms"]) > 0


def test_who_waits_too_long_is_told_when_to_come_back(busy, settings):
    settings.GATEWAY_QUEUE_SECONDS = 0.1

    response = busy.chat()

    assert error(response) == (429, "queue_full")
    assert int(response.headers["retry-after"]) >= 1


def test_too_many_who_wait_are_refused_at_once(busy, settings):
    settings.GATEWAY_QUEUE_MAX = 0

    assert error(busy.chat()) == (429, "queue_full")


def test_a_stream_that_was_committed_while_waiting_ends_with_an_event(busy, settings):
    settings.COMMIT_AFTER_SECONDS, settings.GATEWAY_QUEUE_SECONDS = 0.1, 0.6

    response = busy.stream()

    assert response.status_code == 200
    assert response.content.startswith(b": keepalive")
    assert [chunk["error"]["code"] for chunk in chunks(response)] == ["queue_full"]


def test_a_server_without_a_figure_costs_no_slot(gateway):
    sync_redis().delete(key("slots"))

    gateway.chat()

    assert not sync_redis().exists(key("slots"))
