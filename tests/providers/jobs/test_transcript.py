"""What a reader is shown of a recorded stream: everything once, and an honest gap where something is missing."""

from __future__ import annotations

import asyncio

import pytest

from providers.jobs.event_log import END_NUMBER, Cursor, Event, Position, encode
from providers.jobs.transcript import GAP, Reader, Transcript

DONE = encode("done", b"{}", Cursor(1, Position(1, END_NUMBER)))


def deltas(*words: bytes) -> list[Event]:
    return [Event("delta", word) for word in words]


def shown(transcript: Transcript, cursor: Cursor | None = None) -> list[str]:
    """Names and data of what a reader with this cursor gets, without its ids."""
    text = asyncio.run(Reader(transcript, cursor).next(within_seconds=0.01)).decode()
    events = [event.split("\n") for event in text.split("\n\n") if event]
    return [" ".join(line.split(": ")[1] for line in lines if not line.startswith("id")) for lines in events]


@pytest.fixture
def transcript() -> Transcript:
    found = Transcript()
    found.take_in(Position(1, 0), 1, deltas(b"a", b"b"))
    found.take_in(Position(1, 2), 1, deltas(b"c"))
    return found


def test_a_reader_without_a_cursor_starts_at_the_beginning(transcript: Transcript):
    assert shown(transcript) == ["delta a", "delta b", "delta c"]


def test_a_reader_starts_behind_its_cursor_also_inside_a_batch(transcript: Transcript):
    assert shown(transcript, Cursor(1, Position(1, 0))) == ["delta b", "delta c"]
    assert shown(transcript, Cursor(1, Position(1, 2))) == []


def test_an_entry_that_comes_twice_is_shown_once(transcript: Transcript):
    transcript.take_in(Position(1, 2), 1, deltas(b"c"))

    assert shown(transcript) == ["delta a", "delta b", "delta c"]


def test_missing_events_are_a_gap_and_no_delta_follows_it(transcript: Transcript):
    transcript.take_in(Position(1, 7), 1, deltas(b"h"))
    transcript.take_in(Position(1, 9), 1, deltas(b"j"))
    transcript.take_in(Position(1, 10), 1, [Event("status", b"s")])

    assert shown(transcript) == ["delta a", "delta b", "delta c", "gap {}", "status s"]


def test_a_restart_ends_the_gap(transcript: Transcript):
    transcript.take_in(Position(1, 7), 1, deltas(b"h"))
    transcript.take_in(Position(2, 0), 2, [Event("status", b"s"), Event("restart", b"r"), *deltas(b"x")])

    assert shown(transcript)[3:] == ["gap {}", "status s", "restart r", "delta x"]


def test_a_reader_who_has_all_before_the_gap_is_shown_none():
    transcript = Transcript()
    transcript.take_in(Position(1, 7), 1, deltas(b"h"))

    assert shown(transcript) == ["gap {}"]
    assert shown(transcript, Cursor(1, Position(1, 3))) == ["gap {}"]
    assert shown(transcript, Cursor(1, Position(1, 6))) == ["delta h"]


def test_an_attempt_whose_beginning_is_lost_is_a_gap(transcript: Transcript):
    transcript.take_in(Position(2, 5), 2, deltas(b"x"))

    assert shown(transcript)[3:] == ["gap {}"]


def test_the_end_tells_whether_deltas_before_it_are_missing(transcript: Transcript):
    assert transcript.take_in(Position(1, END_NUMBER), 1, [Event("end", b"5")])
    transcript.close(DONE, Position(1, END_NUMBER), lost=False)

    assert shown(transcript)[3:] == ["gap {}", "done {}"]


def test_the_end_of_a_whole_stream_is_done_alone(transcript: Transcript):
    assert transcript.take_in(Position(1, END_NUMBER), 1, [Event("end", b"3")])
    transcript.close(DONE, Position(1, END_NUMBER), lost=False)

    assert shown(transcript)[3:] == ["done {}"]
    assert transcript.told[-1].text == DONE


def test_an_end_by_somebody_else_does_not_count_the_events(transcript: Transcript):
    transcript.take_in(Position(2, END_NUMBER), 1, [Event("end", b"0")])
    transcript.close(DONE, Position(2, END_NUMBER), lost=False)

    assert shown(transcript)[3:] == ["done {}"]


def test_where_the_stream_is_lost_there_is_one_gap_and_one_done():
    transcript = Transcript()
    transcript.close(DONE, Position(1, END_NUMBER), lost=True)
    transcript.close(DONE, Position(1, END_NUMBER), lost=True)

    assert [told.text for told in transcript.told] == [GAP, DONE]


async def test_a_reader_is_woken_by_what_comes(transcript: Transcript):
    reader = Reader(transcript, Cursor(1, Position(1, 2)))
    waiting = asyncio.create_task(reader.next(within_seconds=60))
    await asyncio.sleep(0)

    transcript.take_in(Position(1, 3), 1, deltas(b"d"))

    assert b"data: d" in await waiting


async def test_where_a_job_stands_is_shown_once_to_those_who_wait():
    transcript = Transcript()
    transcript.move(b"second")
    reader = Reader(transcript, None)

    assert await reader.next(within_seconds=0.01) == b"second"
    assert await reader.next(within_seconds=0.01) == b""
    transcript.move(b"first")
    assert await reader.next(within_seconds=0.01) == b"first"


@pytest.mark.parametrize("text", ["", "1", "1-2", "a-b-c", "1-0-0", "1-2-3-4", "1-2--3", "\uff11-1-1"])
def test_a_cursor_is_ours_or_none(text: str):
    assert Cursor.parse(text) is None


def test_a_cursor_reads_as_it_was_written():
    cursor = Cursor(2, Position(5, 17))
    assert Cursor.parse(str(cursor)) == cursor


def test_an_event_is_written_line_by_line():
    assert encode("delta", b'{"a":\r\n1}') == b'event: delta\ndata: {"a":\ndata: 1}\n\n'
