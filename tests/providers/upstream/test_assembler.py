"""The chunks of a stream add up to what a unary call would have answered."""

import pytest

from providers.upstream.wire import Assembler, chunk_of, usage_of


def assembled(*chunks, **about):
    assembler = Assembler(**about)
    for chunk in chunks:
        assembler.add(chunk)
    return assembler.result()


def chat(delta, finish=None, index=0, **beside):
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return {
        "id": "c1",
        "created": 7,
        "model": "there",
        "object": "chat.completion.chunk",
        "choices": [choice],
        **beside,
    }


def test_content_is_joined_and_the_usage_at_the_end_is_taken():
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}

    whole = assembled(
        chat({"role": "assistant", "content": None}),
        chat({"content": "Hel"}),
        chat({"content": "lo"}),
        chat({"content": None}, "stop"),
        {"id": "c1", "choices": [], "usage": usage},
    )

    assert whole == {
        "id": "c1",
        "object": "chat.completion",
        "created": 7,
        "model": "there",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello"},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": usage,
    }


def test_reasoning_is_kept_apart_from_content():
    [choice] = assembled(chat({"reasoning": "Hm"}), chat({"reasoning": "m."}), chat({"content": "Yes"}))["choices"]

    assert choice["message"] == {"role": "assistant", "content": "Yes", "reasoning": "Hmm."}


def test_tool_calls_are_joined_by_their_index_and_names_are_not_doubled():
    whole = assembled(
        chat(
            {"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "look", "arguments": ""}}]}
        ),
        chat({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "look", "arguments": '{"q":'}}]}),
        chat({"tool_calls": [{"index": 0, "function": {"arguments": '"x"}'}}]}),
        chat({"tool_calls": [{"index": 1, "id": "a", "function": {"name": "add", "arguments": "{}"}}]}),
        chat({}, "tool_calls"),
    )

    [choice] = whole["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "look", "arguments": '{"q":"x"}'}},
            {"id": "a", "type": "function", "function": {"name": "add", "arguments": "{}"}},
        ],
    }


def test_a_claim_of_tool_calls_that_never_came_becomes_a_stop():
    [choice] = assembled(chat({"content": "no tools"}), chat({}, "tool_calls"))["choices"]

    assert choice["finish_reason"] == "stop"


def test_several_choices_are_kept_apart():
    whole = assembled(chat({"content": "b"}, index=1), chat({"content": "a"}), chat({}, "length"), chat({}, "stop", 1))

    assert [(c["index"], c["message"]["content"], c["finish_reason"]) for c in whole["choices"]] == [
        (0, "a", "length"),
        (1, "b", "stop"),
    ]


def test_a_completion_is_put_together_as_text():
    chunks = [{"id": "t", "choices": [{"index": 0, "text": text, "finish_reason": None}]} for text in ("one", " two")]

    whole = assembled(*chunks, operation="completions", model="mine")

    assert (whole["object"], whole["model"]) == ("text_completion", "mine")
    assert whole["choices"] == [{"index": 0, "text": "one two", "logprobs": None, "finish_reason": "stop"}]


def test_what_release_1_leaves_out_is_made_up():
    whole = assembled(
        {"object": "chat.completion.chunk", "choices": [{"delta": {"content": "Hi"}}], "usage": {"total_tokens": 0}},
        model="mine",
        prompt=[{"role": "user", "content": "Good morning to you"}],
    )

    assert whole["id"]
    assert whole["created"]
    assert whole["choices"][0]["finish_reason"] == "stop"
    assert whole["usage"]["prompt_tokens"] > 0
    assert whole["usage"]["completion_tokens"] == 1


def test_a_reported_usage_is_not_estimated_and_a_missing_one_is():
    reported, silent = Assembler(), Assembler(prompt="one two three")
    reported.add({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}})
    silent.add(chat({"content": "four"}))

    assert (reported.usage.total_tokens, reported.usage.estimated) == (3, False)
    assert silent.usage.estimated


@pytest.mark.parametrize(
    ("said", "total"),
    [
        ({"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}, 5),
        ({"input_tokens": 2, "output_tokens": 3}, 5),
        ({"prompt_tokens": 2, "total_tokens": 2}, 2),
        ({"prompt_tokens": "2", "completion_tokens": None, "total_tokens": 4.0}, 4),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, None),
        ({"prompt_tokens": -5, "total_tokens": True}, None),
        (None, None),
        ("many", None),
    ],
)
def test_usage_is_read_with_care(said, total):
    usage = usage_of({"usage": said})

    assert (usage.total_tokens if usage else None) == total


def test_the_estimate_does_not_count_inlined_pictures():
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}
    assembler = Assembler(prompt=[{"role": "user", "content": [{"type": "text", "text": "What is it?"}, picture]}])

    assert assembler.usage.prompt_tokens < 20


def test_odd_chunks_are_passed_over():
    whole = assembled(
        {}, {"choices": None}, {"choices": [None, 1]}, {"choices": [{"delta": "x"}]}, chat({"content": 3})
    )

    assert whole["choices"][0]["message"]["content"] == ""


def test_a_unary_answer_becomes_one_chunk_that_adds_up_to_it_again():
    call = {"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    message = {"role": "assistant", "content": "Hi", "tool_calls": [call]}
    answer = {
        "id": "c1",
        "object": "chat.completion",
        "created": 7,
        "model": "there",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
    }

    chunk = chunk_of(answer)

    assert chunk["object"] == "chat.completion.chunk"
    assert "message" not in chunk["choices"][0]
    assert assembled(chunk) == answer
