"""What LocalAI leaves out or says oddly is put right on the way (rows 20, 24 and 25 of its diagnosis table)."""

import pytest

from tests.providers.gateway.conftest import HELLO, chunks, error, events, kept_alive, text

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


def test_a_silent_stream_is_kept_alive_for_the_proxies_in_between(gateway, settings):
    settings.COMMIT_AFTER_SECONDS = settings.KEEPALIVE_SECONDS = 0.3
    gateway.fake.dial.cold_load_seconds = 60.0

    response = kept_alive(gateway, json={**HELLO, "stream": True})

    assert response.content.startswith(b": keepalive\n\n")
    assert text(response) == "Hello from the model."


def test_a_stream_without_an_end_mark_gets_one(gateway):
    gateway.fake.dial.omit_done = True

    assert events(gateway.stream())[-1] == b"[DONE]"


def test_a_stream_without_a_finish_gets_one(gateway):
    gateway.fake.dial.omit_finish = True

    assert chunks(gateway.stream())[-1]["choices"][0]["finish_reason"] == "stop"


def test_a_stream_without_a_count_gets_an_estimate_where_it_was_asked_for(gateway):
    gateway.fake.dial.omit_usage = True

    response = gateway.stream(stream_options={"include_usage": True})

    assert chunks(response)[-1]["usage"]["completion_tokens"] == 6
    assert gateway.used().is_estimated


def test_chunks_without_ids_get_one_and_the_same(gateway):
    gateway.fake.dial.omit_ids = True

    assert len({chunk["id"] for chunk in chunks(gateway.stream())}) == 1


@pytest.mark.parametrize("version", ["v1.24.1", "v2.29.0", "v4.9.0"])
def test_a_stream_of_any_version_reads_alike(gateway, version):
    gateway.fake.dial.version = version

    response = gateway.stream(stream_options={"include_usage": True})

    assert text(response) == "Hello from the model."
    first, *_, count = chunks(response)
    assert {"id", "object", "created", "model", "choices"} <= first.keys()
    assert count["usage"]["total_tokens"] > 0
    assert [chunk for chunk in chunks(response) if "usage" in chunk] == [count]


def test_no_delta_has_a_null_text(gateway):
    gateway.fake.dial.empty_deltas = 2

    deltas = [chunk["choices"][0]["delta"] for chunk in chunks(gateway.stream()) if chunk["choices"]]

    assert all(delta.get("content", "") is not None for delta in deltas)


def test_reasoning_streams_as_it_comes(gateway):
    gateway.fake.dial.reasoning_tokens = ("Let me", " think")

    assert b"Let me" in gateway.stream().content


def test_a_claimed_tool_call_that_never_came_is_a_stop(gateway):
    gateway.fake.dial.tool_calls_claimed = True

    assert chunks(gateway.stream())[-1]["choices"][0]["finish_reason"] == "stop"
    assert gateway.chat().json()["choices"][0]["finish_reason"] == "stop"


def test_a_stream_with_tools_that_comes_in_one_piece_is_streamed_nonetheless(gateway):
    gateway.fake.dial.version = "v1.24.1"
    gateway.fake.dial.tool_calls = (("now", "{}"),)

    response = gateway.stream(tools=[{"type": "function", "function": {"name": "now"}}])

    assert chunks(response)[0]["choices"][0]["delta"]["tool_calls"][0]["function"]["name"] == "now"
    assert events(response)[-1] == b"[DONE]"


def test_events_of_localais_own_do_not_reach_an_openai_client(gateway):
    gateway.fake.dial.mcp_event = True

    assert all("choices" in chunk for chunk in chunks(gateway.stream()))


@pytest.mark.parametrize("pieces", [1, 7])
def test_a_stream_that_drips_in_is_whole(gateway, pieces):
    gateway.fake.dial.piece_bytes = pieces

    assert text(gateway.stream()) == "Hello from the model."


def test_an_error_in_any_spelling_of_its_code_is_read(gateway):
    gateway.fake.dial.fail = "backend_not_found"
    for style in ("int", "string", "absent"):
        gateway.fake.dial.error_code = style

        assert error(gateway.chat()) == (502, "provider_error")


def test_errors_without_a_body_have_their_status(gateway):
    gateway.fake.dial.fail, gateway.fake.dial.opaque_errors = "backend_not_found", True

    assert error(gateway.chat()) == (502, "provider_error")
