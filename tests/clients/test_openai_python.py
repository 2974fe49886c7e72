"""The official Python SDK, told nothing but another base URL and key."""

import openai
import pydantic
import pytest

from tenants.rate_limits import RateLimits
from tests.fakes.localai_failures import Failure, context_overflow

pytestmark = pytest.mark.django_db(transaction=True)

HELLO = [{"role": "user", "content": "Hello there"}]


def test_it_chats(sdk):
    answer = sdk.chat.completions.create(model="gpt-4", messages=HELLO)

    assert answer.choices[0].message.content == "Hello from the model."
    assert answer.usage.total_tokens > 0


def test_it_streams_a_chat(sdk):
    stream = sdk.chat.completions.create(
        model="gpt-4", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )

    *chunks, count = list(stream)

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello from the model."
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert count.usage.completion_tokens == 6


def test_it_collects_streamed_tool_calls(gateway, sdk):
    gateway.fake.dial.tool_calls = (("now", '{"zone":"UTC"}'),)
    tools = [{"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}]

    with sdk.chat.completions.stream(model="gpt-4", messages=HELLO, tools=tools) as stream:
        call = stream.get_final_completion().choices[0].message.tool_calls[0]

    assert (call.function.name, call.function.arguments) == ("now", '{"zone":"UTC"}')


def test_it_embeds_text_by_its_own_default_of_base64(gateway, sdk):
    answer = sdk.embeddings.create(model="ada", input=["password", "login"])

    assert gateway.sent("/v1/embeddings")["encoding_format"] == "base64"
    assert [len(entry.embedding) for entry in answer.data] == [384, 384]
    assert isinstance(answer.data[0].embedding[0], float)


def test_it_embeds_text_as_floats(sdk):
    answer = sdk.embeddings.create(model="ada", input="password", encoding_format="float")

    assert len(answer.data[0].embedding) == 384


def test_it_calls_tools(gateway, sdk):
    gateway.fake.dial.tool_calls = (("now", '{"zone":"UTC"}'),)
    gateway.fake.dial.content = None
    tools = [{"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}]

    answer = sdk.chat.completions.create(model="gpt-4", messages=HELLO, tools=tools, tool_choice="auto")

    assert answer.choices[0].finish_reason == "tool_calls"
    assert answer.choices[0].message.tool_calls[0].function.arguments == '{"zone":"UTC"}'
    assert gateway.sent()["tools"] == tools


def test_it_parses_structured_output(gateway, sdk):
    class Colour(pydantic.BaseModel):
        name: str

    gateway.fake.dial.content = '{"name": "blue"}'

    answer = sdk.chat.completions.parse(model="gpt-4", messages=HELLO, response_format=Colour)

    assert answer.choices[0].message.parsed == Colour(name="blue")
    assert gateway.sent()["response_format"]["json_schema"]["name"] == "Colour"


def test_it_completes_text(sdk):
    assert sdk.completions.create(model="gpt-4", prompt="Once").choices[0].text == "Hello from the model."


def test_it_lists_models(sdk):
    assert [model.id for model in sdk.models.list()] == ["ada", "gpt-4"]
    assert sdk.models.retrieve("gpt-4").id == "gpt-4"


# --- errors are the SDK's own exceptions ---
def test_a_wrong_key_is_an_authentication_error(gateway):
    wrong = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="sk-wrong", max_retries=0)

    with wrong, pytest.raises(openai.AuthenticationError) as refused:
        wrong.models.list()

    assert refused.value.code == "invalid_api_key"


def test_an_unknown_model_is_a_not_found_error(sdk):
    with pytest.raises(openai.NotFoundError) as refused:
        sdk.chat.completions.create(model="gpt-5", messages=HELLO)

    assert refused.value.code == "model_not_found"
    assert refused.value.param == "model"


def test_a_long_prompt_is_a_bad_request_error(gateway, sdk):
    gateway.fake.dial.fail = context_overflow(20652, 8192)

    with pytest.raises(openai.BadRequestError) as refused:
        sdk.chat.completions.create(model="gpt-4", messages=HELLO, stream=True)

    assert refused.value.code == "context_length_exceeded"


@pytest.mark.parametrize(
    ("dial", "expected", "code"),
    [
        ({"fail": "backend_not_found"}, openai.InternalServerError, "provider_error"),
        ({"fail": "model_loading"}, openai.InternalServerError, "model_loading"),
        ({"api_keys": {"another"}}, openai.InternalServerError, "provider_auth_failed"),
        ({"page_status": 200}, openai.InternalServerError, "provider_bad_response"),
        ({"body_limit_bytes": 10}, openai.APIStatusError, "request_too_large"),
    ],
)
def test_what_goes_wrong_at_the_server_is_the_sdks_own_exception(gateway, sdk, dial, expected, code):
    for name, value in dial.items():
        setattr(gateway.fake.dial, name, value)

    with pytest.raises(expected) as failed:
        sdk.chat.completions.create(model="gpt-4", messages=HELLO)

    assert failed.value.code == code


def test_what_is_not_allowed_is_a_permission_error(gateway, sdk):
    gateway.provider.enabled = False
    gateway.provider.save()

    with pytest.raises(openai.PermissionDeniedError) as refused:
        sdk.chat.completions.create(model="gpt-4", messages=HELLO)

    assert refused.value.code == "model_disabled"


def test_too_many_calls_are_a_rate_limit_error(gateway):
    slow_key = gateway.team.key_of(gateway.team.owner, rate_limits=RateLimits(requests_per_minute=1))
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=slow_key, max_retries=0) as limited:
        limited.chat.completions.create(model="gpt-4", messages=HELLO)
        with pytest.raises(openai.RateLimitError) as refused:
            limited.chat.completions.create(model="gpt-4", messages=HELLO)

    assert refused.value.code == "rate_limit_exceeded"
    assert int(refused.value.response.headers["retry-after"]) > 0


def test_a_failure_in_the_middle_of_a_stream_is_an_api_error(gateway, sdk):
    gateway.fake.dial.fail, gateway.fake.dial.fail_after_tokens = "backend_eof", 2
    stream = iter(sdk.chat.completions.create(model="gpt-4", messages=HELLO, stream=True))

    next(stream)
    with pytest.raises(openai.APIError) as failed:
        list(stream)

    assert failed.value.code == "provider_error"


def test_a_passing_failure_is_retried_by_the_sdk_itself(gateway):
    gateway.fake.dial.fail = Failure(503, "model is at capacity", "admission_rejected", retry_after="1")
    gateway.fake.dial.fail_times = 1
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.team.key, max_retries=1) as patient:
        answer = patient.chat.completions.create(model="gpt-4", messages=HELLO)

    assert answer.choices[0].message.content == "Hello from the model."
