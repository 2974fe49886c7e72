"""A server's stream as the caller sees it: the same bytes, but for what must change."""

import orjson
import pytest

from providers.gateway.relay import StreamRelay
from providers.upstream.wire import SseParser, Usage

DONE = b"data: [DONE]\n\n"


class Fed(StreamRelay):
    """Takes bytes as they would come from the network."""

    def feed(self, piece):
        self.parser = getattr(self, "parser", None) or SseParser()
        frames = self.parser.feed(piece)
        return super().feed(frames) if frames else b""


def relay(operation="chat.completions", *, shown="gpt-4", wants_usage=False):
    return Fed(
        operation=operation,
        shown_model=shown,
        wants_usage=wants_usage,
        estimate=lambda tokens: Usage(9, tokens, 9 + tokens, estimated=True),
    )


def event(content):
    return b"data: " + orjson.dumps(content) + b"\n\n"


def chunk(delta=None, *, finish=None, model="gpt-4", **more):
    choices = [{"index": 0, "delta": delta or {}, "finish_reason": finish}]
    return event(
        {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": choices, **more}
    )


def events(out):
    return [part.removeprefix(b"data: ") for part in out.split(b"\n\n") if part]


def parsed(out):
    return [orjson.loads(data) for data in events(out) if data != b"[DONE]"]


ROLE = chunk({"role": "assistant", "content": ""})
HI = chunk({"content": "Hi"})
YOU = chunk({"content": " you"})
STOP = chunk(finish="stop")


def test_a_healthy_stream_passes_byte_for_byte():
    stream = relay()

    assert stream.feed(ROLE + HI + YOU + STOP + DONE) == ROLE + HI + YOU + STOP + DONE
    assert stream.ended


def test_nothing_is_shown_before_the_first_meaningful_frame():
    stream = relay()

    assert stream.feed(ROLE) == b""
    assert not stream.started
    assert stream.feed(HI) == ROLE + HI


@pytest.mark.parametrize("size", [1, 7, 64])
def test_the_cuts_of_the_network_change_nothing(size):
    whole = ROLE + HI + YOU + STOP + DONE
    stream = relay()

    out = b"".join(stream.feed(whole[at : at + size]) for at in range(0, len(whole), size))

    assert out == whole


def test_a_frame_is_never_shown_in_part():
    stream = relay()
    stream.feed(HI)

    assert stream.feed(YOU[:20]) == b""
    assert stream.feed(YOU[20:]) == YOU


def test_the_model_is_called_as_the_caller_called_it():
    stream = relay(shown="gpt-4")

    out = stream.feed(chunk({"content": "Hi"}, model="llama-3.gguf"))
    out += stream.feed(chunk({"content": 'you say "model":"llama-3.gguf"'}, model="llama-3.gguf"))

    assert [part["model"] for part in parsed(out)] == ["gpt-4", "gpt-4"]
    assert parsed(out)[1]["choices"][0]["delta"]["content"] == 'you say "model":"llama-3.gguf"'


def test_pythons_spelling_of_json_is_renamed_too():
    stream = relay(shown="gpt-4")
    spaced = HI.replace(b'"model":"gpt-4"', b'"model": "vicuna"')

    assert parsed(stream.feed(spaced) + stream.feed(spaced))[1]["model"] == "gpt-4"


def test_a_null_content_becomes_an_empty_one():
    stream = relay()

    out = stream.feed(chunk({"role": "assistant", "content": None}) + HI + chunk({"content": None}, finish="stop"))

    assert [part["choices"][0]["delta"]["content"] for part in parsed(out)] == ["", "Hi", ""]


def test_a_missing_end_mark_is_added_after_a_finish():
    stream = relay()
    stream.feed(HI + STOP)

    assert stream.finish() == DONE
    assert stream.ended


def test_an_end_without_a_finish_gets_one():
    stream = relay()

    out = stream.feed(HI + DONE)

    assert parsed(out)[-1]["choices"][0]["finish_reason"] == "stop"
    assert out.endswith(DONE)


def test_an_error_before_the_first_token_shows_nothing_else():
    stream = relay()

    out = stream.feed(
        ROLE + event({"error": {"code": 500, "message": "backend not found: llama-cpp", "type": ""}}) + DONE
    )

    assert out == b""
    assert stream.failure.code == "backend_not_installed"


def test_an_error_later_comes_after_the_frames_before_it():
    stream = relay()
    stream.feed(HI)

    out = stream.feed(YOU + event({"error": {"message": "rpc error: code = Unavailable desc = EOF"}}) + DONE)

    assert out == YOU
    assert stream.failure is not None
    assert not stream.ended


def test_an_error_disguised_as_text_is_seen():
    head = {"id": "c1", "object": "text_completion", "created": 1, "model": "gpt-4"}
    stream = relay("completions")

    stream.feed(event({**head, "choices": [{"index": 0, "text": "Hi", "finish_reason": None}]}))
    stream.feed(event({**head, "choices": [{"index": 0, "text": "Internal error: EOF", "finish_reason": "stop"}]}))

    assert stream.failure is not None


# --- usage ---
COUNT = event(
    {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-4",
        "choices": [],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
    }
)


def test_a_count_that_was_not_asked_for_is_kept_back_but_known():
    stream = relay()

    assert stream.feed(HI + STOP + COUNT + DONE) == HI + STOP + DONE
    assert stream.final_usage() == Usage(5, 2, 7)


def test_a_count_that_was_asked_for_is_shown():
    stream = relay(wants_usage=True)

    out = stream.feed(HI + STOP + COUNT + DONE)

    assert parsed(out)[-1]["usage"]["total_tokens"] == 7
    assert parsed(out)[-1]["choices"] == []


def test_a_count_that_is_missing_is_estimated():
    stream = relay(wants_usage=True)

    out = stream.feed(HI) + stream.feed(YOU + YOU) + stream.feed(STOP + DONE)

    assert parsed(out)[-1]["usage"] == {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    assert stream.final_usage().estimated


def test_zeros_in_every_chunk_are_taken_out():
    zeros = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    stream = relay(wants_usage=True)

    out = stream.feed(chunk({"content": "Hi"}, usage=zeros) + chunk(finish="stop", usage=zeros) + DONE)

    assert [part.get("usage", {}).get("total_tokens") for part in parsed(out)] == [None, None, 10]


# --- servers of other times ---
def test_what_an_old_server_leaves_out_is_made_up():
    old = {"object": "chat.completion.chunk", "model": "gpt-4", "choices": [{"index": 0, "delta": {"content": "Hi"}}]}
    stream = relay()

    first, second = parsed(stream.feed(event(old) + event(old)))

    assert first["id"] == second["id"]
    assert first["created"]
    assert first["choices"][0]["finish_reason"] is None


def test_a_claimed_tool_call_that_is_not_there_is_an_ordinary_stop():
    stream = relay()

    out = stream.feed(HI + chunk(finish="tool_calls") + DONE)

    assert parsed(out)[-1]["choices"][0]["finish_reason"] == "stop"


def test_a_real_tool_call_keeps_its_finish():
    call = {"index": 0, "id": "t1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    stream = relay()

    whole = chunk({"content": None, "tool_calls": [call]}) + chunk(finish="tool_calls") + DONE

    assert stream.feed(whole) == whole


def test_events_that_are_no_chunks_are_left_out():
    stream = relay()

    assert stream.feed(HI + event({"type": "mcp_tool_result", "name": "search"}) + STOP + DONE) == HI + STOP + DONE


def test_lines_that_end_otherwise_are_read():
    stream = relay()

    out = stream.feed((HI + STOP + DONE).replace(b"\n", b"\r\n"))

    assert stream.ended
    assert b"Hi" in out
