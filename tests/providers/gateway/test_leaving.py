"""A caller who leaves takes the call along: the upstream closes, the slot is free, what was shown is counted."""

import pytest

from providers.models import Provider
from tests.providers.gateway.conftest import held_call, in_line, upstream_call
from tests.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


def assert_upstream_closes(gateway):
    seen = upstream_call(gateway)
    wait_for(lambda: seen.aborted_at)


def read_until(connection, word):
    while word not in connection.recv(4096):
        pass


@pytest.mark.parametrize("phase", ["unary", "before-the-first-token", "in-the-middle"])
def test_leaving_closes_the_upstream_and_frees_the_slot(gateway, call, settings, phase):
    Provider.objects.for_tenant(gateway.team.id).update(settings={"max_concurrency": 1})
    settings.GATEWAY_QUEUE_SECONDS = 30.0
    if phase == "in-the-middle":
        gateway.fake.dial.tokens, gateway.fake.dial.token_delay_seconds = ("word ",) * 600, 0.1
    else:
        gateway.fake.dial.hang = True
    connection = call(stream=phase != "unary")
    upstream_call(gateway)
    if phase == "in-the-middle":
        read_until(connection, b"word")

    connection.close()

    assert_upstream_closes(gateway)
    assert gateway.used().outcome == "cancelled"
    gateway.fake.dial.hang, gateway.fake.dial.token_delay_seconds = False, 0.0
    assert gateway.chat().status_code == 200


def test_what_was_shown_until_the_caller_left_is_counted(gateway, call):
    gateway.fake.dial.token_delay_seconds = 0.1
    gateway.fake.dial.tokens = ("word ",) * 600
    connection = call(stream=True)
    read_until(connection, b"word")

    connection.close()

    used = gateway.used()
    assert used.outcome == "cancelled"
    assert used.is_estimated
    assert used.completion_tokens > 0


def test_leaving_the_line_leaves_it(gateway, call):
    Provider.objects.for_tenant(gateway.team.id).update(settings={"max_concurrency": 1})
    gateway.fake.dial.hang = True
    call()
    held_call(gateway)
    waiting = call()
    wait_for(lambda: in_line(gateway) == 1)

    waiting.close()

    wait_for(lambda: in_line(gateway) == 0)
