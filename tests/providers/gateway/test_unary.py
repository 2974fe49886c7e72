"""A server's whole answer as the caller sees it."""

import orjson
import pytest

from providers.errors import ProviderError
from providers.gateway.unary import relayed

JSON = {"content-type": "application/json"}
CHAT = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
}
VECTORS = {"object": "list", "model": "ada", "data": [{"object": "embedding", "index": 0, "embedding": [0.25, -1e-7]}]}


def passed_on(answer, operation="chat.completions", shown="gpt-4"):
    raw = orjson.dumps(answer)
    body, usage = relayed(operation, raw, JSON, shown_model=shown, asked="four words of text")
    return raw, body, usage


def with_choice(**changes):
    return {**CHAT, "choices": [{**CHAT["choices"][0], **changes}]}


def test_a_whole_answer_passes_byte_for_byte():
    raw, body, usage = passed_on(CHAT)

    assert body is raw
    assert (usage.total_tokens, usage.estimated) == (4, False)


def test_the_model_is_called_as_the_caller_called_it():
    _, body, _ = passed_on({**CHAT, "model": "llama.gguf"}, shown="default")

    assert orjson.loads(body) == {**CHAT, "model": "default"}


def test_a_missing_count_is_estimated():
    _, body, usage = passed_on({name: value for name, value in CHAT.items() if name != "usage"})

    assert usage.estimated
    assert orjson.loads(body)["usage"]["total_tokens"] == usage.total_tokens > 0


def test_embeddings_without_a_count_get_one():
    _, body, usage = passed_on(VECTORS, "embeddings", shown="ada")

    answer = orjson.loads(body)
    assert answer["data"] == VECTORS["data"]
    assert answer["usage"] == {"prompt_tokens": usage.prompt_tokens, "total_tokens": usage.total_tokens}


@pytest.mark.parametrize("missing", ["id", "created", "object"])
def test_what_an_old_server_leaves_out_is_made_up(missing):
    _, body, _ = passed_on({name: value for name, value in CHAT.items() if name != missing})

    assert orjson.loads(body)[missing]


def test_a_missing_finish_is_a_stop():
    _, body, _ = passed_on(with_choice(finish_reason=None))

    assert orjson.loads(body)["choices"][0]["finish_reason"] == "stop"


def test_a_claimed_tool_call_that_is_not_there_is_an_ordinary_stop():
    _, body, _ = passed_on(with_choice(finish_reason="tool_calls"))

    assert orjson.loads(body)["choices"][0]["finish_reason"] == "stop"


def test_a_null_text_without_a_tool_call_is_empty():
    _, body, _ = passed_on(with_choice(message={"role": "assistant", "content": None, "reasoning": "hm"}))

    assert orjson.loads(body)["choices"][0]["message"]["content"] == ""


def test_a_null_text_beside_a_tool_call_stays():
    call = {"id": "t1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    raw, body, _ = passed_on(with_choice(message=message, finish_reason="tool_calls"))

    assert body is raw


@pytest.mark.parametrize(
    ("raw", "headers", "code"),
    [
        (b"<!DOCTYPE html><html></html>", {"content-type": "text/html"}, "web_page_not_api"),
        (b"not json", JSON, "bad_response"),
        (b"[]", JSON, "bad_response"),
        (b'{"object":"list"}', JSON, "bad_response"),
        (b'{"error":{"message":"backend not found: llama-cpp"}}', JSON, "backend_not_installed"),
    ],
    ids=["page", "garbage", "list", "nothing", "error"],
)
def test_a_200_that_is_no_answer_is_a_failure(raw, headers, code):
    with pytest.raises(ProviderError) as failure:
        relayed("chat.completions", raw, headers, shown_model="gpt-4", asked="")

    assert failure.value.code == code
