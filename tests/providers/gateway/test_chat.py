"""POST /v1/chat/completions: what goes in reaches the model server, what it answers reaches the caller."""

import socket

import pytest

from tests.providers.gateway.conftest import chunks, error, events, text
from tests.providers.rows import add_model, add_provider, make_default

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_answer_comes_whole(gateway):
    response = gateway.chat()

    assert response.status_code == 200
    assert response.json()["choices"][0]["message"]["content"] == "Hello from the model."
    assert response.json()["usage"]["total_tokens"] > 0


def test_the_model_is_called_by_its_name_there_and_shown_by_its_name_here(gateway):
    response = gateway.chat()

    assert gateway.sent()["model"] == "gpt-3.5-turbo"
    assert response.json()["model"] == "gpt-4"


def test_the_stored_key_goes_along_and_the_callers_does_not(gateway):
    gateway.chat()

    assert gateway.fake.requests("/v1/chat/completions")[0].key == "upstream-key"


def test_fields_nobody_here_knows_pass_through(gateway):
    unknown = {"grammar": "root ::= [0-9]", "backend": "llama", "seed": 7, "logprobs": True, "mirostat": {"a": [1.0]}}

    gateway.chat(**unknown)

    assert {name: gateway.sent()[name] for name in unknown} == unknown


def test_the_entrys_own_defaults_fill_what_the_caller_leaves_out(gateway):
    add_model(gateway.provider, "tuned", upstream_name="gpt-3.5-turbo", parameters={"temperature": 0.1, "top_p": 0.5})

    gateway.chat(model="tuned", top_p=0.9)

    assert (gateway.sent()["temperature"], gateway.sent()["top_p"]) == (0.1, 0.9)


def test_a_stream_comes_token_by_token(gateway):
    response = gateway.stream()

    assert response.headers["content-type"].startswith("text/event-stream")
    assert text(response) == "Hello from the model."
    assert events(response)[-1] == b"[DONE]"
    assert {chunk["model"] for chunk in chunks(response)} == {"gpt-4"}


def test_a_stream_without_usage_asked_shows_none_but_is_counted(gateway):
    response = gateway.stream()

    assert all("usage" not in chunk for chunk in chunks(response))
    assert gateway.used().completion_tokens == 6
    assert not gateway.used().is_estimated


def test_usage_that_is_asked_for_comes_last(gateway):
    response = gateway.stream(stream_options={"include_usage": True})

    assert chunks(response)[-1]["choices"] == []
    assert chunks(response)[-1]["usage"]["completion_tokens"] == 6


def test_tool_calls_stream_as_they_come(gateway):
    gateway.fake.dial.tool_calls = (("now", '{"zone":"UTC"}'),)

    response = gateway.stream(tools=[{"type": "function", "function": {"name": "now"}}])

    calls = [call for chunk in chunks(response) for call in chunk["choices"][0]["delta"].get("tool_calls") or []]
    assert calls[0]["function"]["name"] == "now"
    assert chunks(response)[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_default_means_the_tenants_default(gateway):
    make_default(gateway.chat_model)

    assert gateway.chat(model="default").json()["model"] == "default"
    assert gateway.chat(model=None).json()["model"] == "gpt-4"


def test_the_answer_says_who_served_it_and_how_long_it_waited(gateway):
    response = gateway.chat()

    assert response.headers["x-provider"] == str(gateway.provider.pk)
    assert response.headers["x-queue-ms"] == "0"


# --- what is refused ---
def test_an_unknown_model_is_404(gateway):
    assert error(gateway.chat(model="gpt-5")) == (404, "model_not_found")


def test_a_strangers_model_is_404(gateway, globex):
    add_model(add_provider(globex, gateway.fake.url), "theirs")

    assert error(gateway.chat(model="theirs")) == (404, "model_not_found")


def test_a_strangers_key_does_not_reach_our_model(gateway, globex):
    response = gateway.post("chat/completions", {"model": "gpt-4", "messages": [{}]}, key=globex.key)

    assert error(response) == (404, "model_not_found")
    assert gateway.fake.ledger == []


def test_a_switched_off_model_is_403(gateway):
    add_model(gateway.provider, "off", enabled=False)

    assert error(gateway.chat(model="off")) == (403, "model_disabled")


def test_a_model_of_another_type_is_400(gateway):
    assert error(gateway.chat(model="ada")) == (400, "model_type_mismatch")


def test_a_model_that_is_not_on_the_keys_list_is_404(gateway):
    key = gateway.team.key_of(gateway.team.owner, allowed_models=frozenset({"ada"}))

    response = gateway.post("chat/completions", {"model": "gpt-4", "messages": [{}]}, key=key)

    assert error(response) == (404, "model_not_found")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": 7}, "model"),
        ({"model": "gpt-4"}, "messages"),
        ({"model": "gpt-4", "messages": []}, "messages"),
        ({"model": "gpt-4", "messages": [{}], "stream": "yes"}, "stream"),
        ({"model": "gpt-4", "messages": [{}], "Model": "other"}, "Model"),
        ({"model": "gpt-4", "messages": [{}], "\u017ftream": True}, "\u017ftream"),
    ],
    ids=["model", "none", "empty", "stream", "other-spelling", "long-s"],
)
def test_a_wrong_field_is_400_and_named(gateway, body, param):
    response = gateway.post("chat/completions", body)

    assert error(response) == (400, "invalid_request")
    assert response.json()["error"]["param"] == param


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        b"[]",
        b'"text"',
        b'{"model":"gpt-4","messages":[{"content":NaN}]}',
        b'{"model":"\xff"}',
        b'{"model":"\\ud800"}',
        b'{"a":' * 2000 + b"1" + b"}" * 2000,
        b"\xef\xbb\xbf{}",
    ],
    ids=["nothing", "nonsense", "list", "text", "nan", "bytes", "half-a-pair", "deep", "mark"],
)
def test_what_is_no_json_object_is_400(gateway, content):
    with gateway.client() as client:
        response = client.post("/v1/chat/completions", content=content)

    assert error(response) == (400, "invalid_json")


def test_a_body_beyond_the_limit_is_413(gateway, settings):
    settings.GATEWAY_BODY_MAX_BYTES = 1000

    assert error(gateway.chat(padding="x" * 1000)) == (413, "request_too_large")


def test_a_body_beyond_the_limit_is_413_also_without_a_length(gateway, settings):
    settings.GATEWAY_BODY_MAX_BYTES = 1000

    with gateway.client() as client:
        response = client.post("/v1/chat/completions", content=(b"x" * 100 for _ in range(20)))

    assert error(response) == (413, "request_too_large")


def test_numbers_are_passed_on_as_they_were(gateway):
    gateway.chat(temperature=0.30000000000000004, seed=2**63 - 1, top_p=1)

    assert (gateway.sent()["temperature"], gateway.sent()["seed"]) == (0.30000000000000004, 2**63 - 1)


def test_a_body_that_does_not_arrive_is_408(gateway, settings):
    settings.GATEWAY_BODY_SECONDS = 0.2
    host, port = gateway.url.removeprefix("http://").split(":")
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {gateway.team.key}\r\n"

    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(f'{head}Content-Length: 500\r\n\r\n{{"model": '.encode())
        answer = b""
        while b"request_timeout" not in answer:
            answer += connection.recv(4096)

    assert answer.startswith(b"HTTP/1.1 408 ")
