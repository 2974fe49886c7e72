"""What goes wrong at the model server comes to the caller as a real HTTP error, with a code to act on."""

import socket

import orjson
import pytest

from tests.fakes.localai_failures import Failure
from tests.providers.gateway.conftest import chunks, error, events
from tests.providers.rows import add_model, add_provider

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

OVERFLOW = Failure(500, "rpc error: request (20652 tokens) exceeds the available context size (8192 tokens)")
FAILED = {
    "backend": ("backend_not_found", (502, "provider_error")),
    "crash": ("backend_eof", (502, "provider_error")),
    "overflow": (OVERFLOW, (400, "context_length_exceeded")),
    "unknown words": (Failure(500, "something new"), (502, "provider_error")),
}


@pytest.mark.parametrize(("fail", "expected"), FAILED.values(), ids=FAILED)
def test_a_failed_call_has_a_status(gateway, fail, expected):
    gateway.fake.dial.fail = fail

    assert error(gateway.chat()) == expected


@pytest.mark.parametrize(("fail", "expected"), FAILED.values(), ids=FAILED)
def test_a_stream_that_fails_before_its_first_token_has_the_same_status(gateway, fail, expected):
    gateway.fake.dial.fail = fail

    assert error(gateway.stream()) == expected


def test_role_chunks_do_not_hide_a_failure(gateway):
    gateway.fake.dial.role_chunks_early = True
    gateway.fake.dial.fail = "backend_eof"

    assert error(gateway.stream()) == (502, "provider_error")


def test_a_failure_after_the_first_token_is_one_event_and_the_end(gateway):
    gateway.fake.dial.fail, gateway.fake.dial.fail_after_tokens = "backend_eof", 2

    response = gateway.stream()

    assert response.status_code == 200
    assert chunks(response)[-1]["error"]["code"] == "provider_error"
    assert len([chunk for chunk in chunks(response) if "error" in chunk]) == 1
    assert events(response)[-1] != b"[DONE]"


@pytest.mark.parametrize("cut", ["cut_after_tokens", "reset_after_tokens"])
def test_a_stream_cut_by_the_server_ends_with_an_error(gateway, cut):
    setattr(gateway.fake.dial, cut, 2)

    response = gateway.stream()

    assert text_before_error(response) == "Hello"
    assert chunks(response)[-1]["error"]["code"] == "provider_error"


def text_before_error(response):
    return "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks(response) if "choices" in c)


def test_the_stored_key_that_is_refused_is_not_the_callers_fault(gateway):
    gateway.fake.dial.api_keys = {"another"}

    assert error(gateway.chat()) == (502, "provider_auth_failed")


def test_nothing_listens(gateway):
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        nowhere = add_provider(gateway.team, f"http://127.0.0.1:{reserved.getsockname()[1]}", name="off")
        add_model(nowhere, "gone")

        assert error(gateway.chat(model="gone")) == (502, "provider_unreachable")


def test_an_address_nobody_opened_is_unreachable_and_not_dialled(gateway, settings):
    settings.EGRESS_ALLOW = []

    assert error(gateway.chat()) == (502, "provider_unreachable")
    assert gateway.fake.connections == 0


@pytest.mark.parametrize("streamed", [False, True], ids=["unary", "stream"])
def test_a_web_page_is_no_answer(gateway, streamed):
    gateway.fake.dial.page_status = 200

    assert error(gateway.chat(stream=streamed)) == (502, "provider_bad_response")


def test_broken_json_is_no_answer(gateway):
    gateway.fake.dial.raw_answer = (200, "application/json", b'{"choices": [')

    assert error(gateway.chat()) == (502, "provider_bad_response")


@pytest.mark.parametrize("version", ["v4.9.0", "v1.24.1"])
def test_an_empty_stream_is_no_answer(gateway, version):
    gateway.fake.dial.empty_stream = True
    gateway.fake.dial.version = version

    assert error(gateway.stream()) == (502, "provider_bad_response")


def test_an_old_server_that_hides_its_failure_is_seen_through(gateway):
    gateway.fake.dial.version = "v1.24.1"
    gateway.fake.dial.fail = "backend_not_found"

    assert error(gateway.stream()) == (502, "provider_bad_response")


def test_a_loading_model_is_503_with_the_time_to_wait(gateway):
    gateway.fake.dial.cold_load_503, gateway.fake.dial.cold_load_seconds = True, 30.0

    response = gateway.chat()

    assert error(response) == (503, "model_loading")
    assert int(response.headers["retry-after"]) >= 1


def test_a_server_at_capacity_is_503_with_its_own_time_to_wait(gateway):
    gateway.fake.dial.fail = Failure(503, "model is at capacity", "admission_rejected", retry_after="7")

    response = gateway.chat()

    assert error(response) == (503, "provider_cooling_down")
    assert response.headers["retry-after"] == "7"


def test_what_cannot_be_mended_by_asking_again_says_so(gateway):
    gateway.fake.dial.fail = "backend_not_found"

    assert gateway.chat().headers["x-should-retry"] == "false"


def test_a_refusal_of_the_request_itself_comes_through_with_the_servers_words(gateway):
    gateway.fake.dial.fail = Failure(400, "code=400, message=grammar does not parse")

    response = gateway.chat()

    assert error(response) == (400, "invalid_request")
    assert "grammar does not parse" in response.json()["error"]["message"]


def test_the_stored_key_is_in_no_error(gateway):
    gateway.fake.dial.fail = Failure(500, "bad key upstream-key given")

    assert "upstream-key" not in gateway.chat().text


def test_a_disguised_failure_of_a_streamed_completion_is_an_error(gateway):
    gateway.fake.dial.fail = "backend_eof"

    response = gateway.post("completions", {"model": "gpt-4", "prompt": "Once", "stream": True})

    assert error(response) == (502, "provider_error")


def test_an_answer_without_end_is_not_held(gateway):
    choice = {"index": 0, "message": {"role": "assistant", "content": "x" * (9 * 2**20)}, "finish_reason": "stop"}
    gateway.fake.dial.raw_answer = (200, "application/json", orjson.dumps({"choices": [choice]}))

    assert error(gateway.chat()) == (502, "provider_bad_response")


def test_a_line_without_end_is_not_held(gateway):
    long_line = b'data: {"choices": [{"index": 0, "delta": {"content": "' + b"x" * (2 * 2**20)
    gateway.fake.dial.raw_answer = (200, "text/event-stream", long_line)

    assert error(gateway.stream()) == (502, "provider_bad_response")
