"""Whatever OpenAI's API has, and whatever it has not: it reaches the server as written, and comes back as said."""

import orjson
import pytest

from tests.providers.gateway.conftest import chunks, events

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

LOOK = {
    "type": "function",
    "function": {"name": "look", "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}},
    "strict": True,
}
CONVERSATION = [
    {"role": "system", "content": "Be brief.", "name": "boss"},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is this? — „größe“ \U0001f600"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}},
            {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        ],
    },
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look"}}],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "A cat."},
]
OF_CHAT = {
    "messages": CONVERSATION,
    "tools": [LOOK],
    "tool_choice": {"type": "function", "function": {"name": "look"}},
    "parallel_tool_calls": False,
    "functions": [{"name": "old"}],
    "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}},
    "n": 2,
    "logprobs": True,
    "top_logprobs": 5,
    "logit_bias": {"50256": -100},
    "seed": 7,
    "stop": ["\n", "END"],
    "temperature": 0.0,
    "max_completion_tokens": 64,
    "reasoning_effort": "low",
    "metadata": {"a": "b"},
    "grammar": 'root ::= "yes" | "no"',
    "x-unknown": [None, {"deep": [1.5e-9, True, ""]}],
}


def test_all_of_a_chat_reaches_the_server_as_it_was_written(gateway):
    gateway.chat(**OF_CHAT)
    whole = gateway.sent()
    gateway.stream(**OF_CHAT, stream_options={"include_usage": False, "include_obfuscation": False})
    streamed = gateway.sent()

    assert whole == {**OF_CHAT, "model": "gpt-3.5-turbo"}
    options = {"include_usage": True, "include_obfuscation": False}  # counted for the meter, whatever the caller wants
    assert streamed == {**OF_CHAT, "model": "gpt-3.5-turbo", "stream": True, "stream_options": options}


def test_all_of_a_completion_and_of_an_embedding_reaches_the_server_as_it_was_written(gateway):
    completion = {
        "prompt": "Once",
        "n": 2,
        "logprobs": 3,
        "echo": True,
        "suffix": ".",
        "best_of": 3,
        "seed": 1,
        "top_k": 40,
    }
    embedding = {"input": ["a", "b"], "dimensions": 128, "encoding_format": "base64", "user": "u", "pooling": "mean"}

    gateway.post("completions", {"model": "gpt-4", **completion})
    gateway.post("embeddings", {"model": "ada", **embedding})

    assert gateway.sent("/v1/completions") == {**completion, "model": "gpt-3.5-turbo"}
    assert gateway.sent("/v1/embeddings") == {**embedding, "model": "text-embedding-ada-002"}


def choice(index, **said):
    return {"index": index, "finish_reason": None, "logprobs": None, **said}


def test_all_of_an_answer_comes_back_as_it_was_said(gateway):
    token = {"token": "Hi", "logprob": -0.25, "bytes": [72, 105], "top_logprobs": []}
    choices = [
        choice(0, message={"role": "assistant", "content": "Hi", "annotations": []}, finish_reason="length")
        | {"logprobs": {"content": [token]}},
        choice(1, message={"role": "assistant", "content": None, "refusal": "No."}, finish_reason="content_filter"),
        choice(
            2,
            message={"role": "assistant", "content": "", "reasoning": "Hm", "audio": {"id": "a"}},
            finish_reason="eos",
        ),
    ]
    usage = {
        "prompt_tokens": 3,
        "completion_tokens": 5,
        "total_tokens": 8,
        "prompt_tokens_details": {"cached_tokens": 2},
    }
    said = {
        "id": "c-1",
        "object": "chat.completion",
        "created": 5,
        "model": "there",
        "choices": choices,
        "usage": usage,
    }
    said |= {"system_fingerprint": "fp", "service_tier": None, "timings": {"prompt_ms": 1.25}}
    gateway.fake.dial.raw_answer = (200, "application/json", orjson.dumps(said))

    assert gateway.chat().json() == {**said, "model": "gpt-4"}
    assert gateway.used().completion_tokens == 5


def test_all_of_a_stream_comes_back_as_it_was_said(gateway):
    head = {"id": "c-1", "object": "chat.completion.chunk", "created": 5, "model": "there", "system_fingerprint": "fp"}
    tokens = {"content": [{"token": "Hi", "logprob": -0.25, "bytes": None, "top_logprobs": []}]}
    call = {"index": 0, "id": "t", "type": "function", "function": {"name": "look", "arguments": ""}}
    said = [
        choice(0, delta={"role": "assistant", "content": ""}),
        choice(0, delta={"content": "Hi"}, logprobs=tokens),
        choice(1, delta={"content": "an error? [DONE]"}),
        choice(1, delta={"refusal": "No."}),
        choice(0, delta={"tool_calls": [call]}),
        choice(0, delta={"tool_calls": [{"index": 0, "function": {"arguments": '{"at":"model"}'}}]}),
        choice(1, delta={}, finish_reason="length"),
        choice(0, delta={}, finish_reason="tool_calls"),
    ]
    sent = [{**head, "choices": [one]} for one in said]
    raw = b"".join(b"data: %b\n\n" % orjson.dumps(chunk) for chunk in sent) + b"data: [DONE]\n\n"
    gateway.fake.dial.raw_answer = (200, "text/event-stream", raw)

    response = gateway.stream()

    assert chunks(response) == [{**chunk, "model": "gpt-4"} for chunk in sent]
    assert events(response)[-1] == b"[DONE]"
