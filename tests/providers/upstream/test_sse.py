"""Event streams are read the same way however their bytes were cut on the road."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.errors import Malformed
from providers.upstream.wire import SseParser, frame_of

CHAT = (
    b'data: {"choices":[{"delta":{"role":"assistant"}}]}\n\n'
    b": keepalive\n\n"
    b'data: {"choices":[{"delta":{"content":"na\xc3\xafve"}}]}\n\n'
    b"data: [DONE]\n\n"
)


def read(*pieces, **limits):
    parser = SseParser(**limits)
    frames = [frame for piece in pieces for frame in parser.feed(piece)]
    return frames + parser.finish()


def shown(frames):
    return [(frame.raw, frame.data, frame.event) for frame in frames]


def cut(stream, places):
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[a:b] for a, b in pairwise(edges)]


def test_events_come_out_with_their_exact_bytes_and_comments_do_not():
    frames = read(CHAT)

    assert [frame.raw for frame in frames] == [
        b'data: {"choices":[{"delta":{"role":"assistant"}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":"na\xc3\xafve"}}]}\n\n',
        b"data: [DONE]\n\n",
    ]
    assert frames[1].parsed == {"choices": [{"delta": {"content": "naïve"}}]}
    assert [frame.is_done for frame in frames] == [False, False, True]


LINES = st.sampled_from(
    [
        b"data: a",
        b"data:b",
        b"data",
        b"data: ",
        b": note",
        b"event: error",
        b"id: 1",
        b"retry: 5",
        b"x",
        b"",
        b"data:  two",
    ]
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@given(
    stream=st.lists(st.tuples(LINES, ENDS).map(b"".join), max_size=20).map(b"".join),
    places=st.lists(st.integers(0, 1000), max_size=8),
)
def test_any_cut_gives_the_same_frames(stream, places):
    assert shown(read(*cut(stream, places))) == shown(read(stream))


@given(stream=st.binary(max_size=200), places=st.lists(st.integers(0, 1000), max_size=8))
def test_no_bytes_whatever_break_the_reader(stream, places):
    assert shown(read(*cut(stream, places))) == shown(read(stream))


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_every_kind_of_line_end_separates_events(end):
    stream = end.join([b"data: one", b"", b"data: two", b"data: more", b"", b""])

    for size in (1, 2, 3, len(stream)):
        pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
        assert [frame.data for frame in read(*pieces)] == [b"one", b"two\nmore"]
        assert b"".join(frame.raw for frame in read(*pieces)) == stream


@pytest.mark.parametrize("tail", [b"", b"\n", b"\r\n"])
def test_a_missing_last_blank_line_loses_nothing(tail):
    assert [frame.data for frame in read(b"data: one\n\ndata: [DONE]" + tail)] == [b"one", b"[DONE]"]


def test_an_event_name_is_kept():
    [frame] = read(b'event: error\ndata: {"message":"x"}\n\n')

    assert (frame.event, frame.parsed) == ("error", {"message": "x"})


def test_a_byte_order_mark_is_not_part_of_the_first_line():
    assert [frame.data for frame in read(b"\xef\xbb\xbfdata: one\n\ndata: two\n\n")] == [b"one", b"two"]


@pytest.mark.parametrize("data", [b"{", b'{"a":\x00}', b'{"a":"\xff"}', b"[1]", b'"text"', b"ping", b"null"])
def test_what_is_no_json_object_has_no_parsed_form(data):
    [frame] = read(b"data: " + data + b"\n\n")

    assert frame.data == data
    assert frame.parsed is None


@pytest.mark.parametrize("piece_bytes", [7, 64, 5000])
def test_an_event_without_an_end_is_cut_off_at_the_limit(piece_bytes):
    stream = b"data: " + b"x" * 3000

    with pytest.raises(Malformed):
        read(*(stream[at : at + piece_bytes] for at in range(0, len(stream), piece_bytes)), max_event_bytes=1000)


def test_an_event_that_is_whole_but_too_long_is_refused_too():
    with pytest.raises(Malformed):
        read(b"data: " + b"x" * 3000 + b"\n\n", max_event_bytes=1000)


def test_comments_count_as_life():
    parser = SseParser()

    assert parser.feed(b": one\n\n: two\n\n: thr") == []
    assert parser.blocks == 2


def test_a_frame_of_our_own_reads_back():
    frame = frame_of(b'{"a":1}')

    assert shown(read(frame.raw)) == shown([frame])


def test_what_people_wrote_does_not_show_in_a_repr():
    assert "secret" not in repr(read(b"data: secret\n\n"))
