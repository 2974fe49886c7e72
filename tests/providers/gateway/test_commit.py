"""When the status line goes out: with the first meaningful frame, or after a while without one."""

import pytest

from providers.models import Provider
from tests.providers.gateway.conftest import HELLO, chunks, error, events, kept_alive, text

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

STREAM = {**HELLO, "stream": True}


def test_a_stream_without_a_token_is_committed_and_kept_alive(gateway, settings):
    settings.COMMIT_AFTER_SECONDS, settings.KEEPALIVE_SECONDS = 0.3, 0.5
    gateway.fake.dial.cold_load_seconds = 60.0

    response = kept_alive(gateway, comments=2, json=STREAM)

    assert response.content.count(b": keepalive\n\n") >= 2
    assert response.content.startswith(b": keepalive\n\n")
    assert text(response) == "Hello from the model."
    assert events(response)[-1] == b"[DONE]"


def test_after_the_commit_a_failure_is_one_event_without_an_end_mark(gateway, settings):
    settings.COMMIT_AFTER_SECONDS = 0.3
    gateway.fake.dial.fail, gateway.fake.dial.fail_delay_seconds = "grpc_not_ready", 60.0

    response = kept_alive(gateway, json=STREAM)

    assert response.status_code == 200
    assert [chunk["error"]["code"] for chunk in chunks(response)] == ["provider_error"]
    assert events(response)[-1] != b"[DONE]"


def test_a_unary_call_is_never_committed_early(gateway, settings):
    settings.COMMIT_AFTER_SECONDS = 0.1
    gateway.fake.dial.fail, gateway.fake.dial.fail_delay_seconds = "grpc_not_ready", 0.8

    assert error(gateway.chat()) == (502, "provider_error")


def test_comments_come_while_a_stream_is_silent(gateway, settings):
    settings.KEEPALIVE_SECONDS = 0.5
    gateway.fake.dial.tokens = ("one", " two")
    gateway.fake.dial.token_delay_seconds = 60.0

    response = kept_alive(gateway, json=STREAM)

    assert b": keepalive\n\n" in response.content
    assert text(response) == "one two"


def test_the_first_frame_is_not_held_until_the_last(gateway):
    gateway.fake.dial.stall_after_tokens = 1
    Provider.objects.for_tenant(gateway.team.id).update(settings={"max_concurrency": None})

    with (
        gateway.client() as client,
        client.stream("POST", "/v1/chat/completions", json=STREAM) as response,
    ):
        first = next(piece for piece in response.iter_bytes())

    assert b"Hel" in first


def test_a_reader_who_takes_nothing_is_dropped(gateway, settings, call):
    settings.SLOW_READER_SECONDS = 1.0
    gateway.fake.dial.tokens = ("x" * 50_000,) * 400
    call(stream=True)

    assert gateway.used().outcome == "cancelled"
