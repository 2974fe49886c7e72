"""Bytes of an event stream -> frames, however the bytes were cut on the way."""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from providers.errors import Malformed

MAX_EVENT_BYTES: Final = 1024 * 1024

_END_OF_EVENT: Final = re.compile(rb"\r\n(?:\r\n|\n|\r)|\n(?:\r\n|\n|\r)|\r(?:\r\n|\r)")
_END_OF_LINE: Final = re.compile(rb"\r\n|\n|\r")
_LONGEST_END: Final = 4
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_DONE: Final = b"[DONE]"
_SHORTEST_PLAIN: Final = len(b"data: \n\n")
_UNREAD: Final[Any] = object()


class Frame:
    """One event that carries data. `raw` is the event as it came, with its blank line, fit to be passed on as it is.

    It is read only when asked: most frames of a stream are just passed on.
    """

    __slots__ = ("_data", "_event", "_parsed", "raw")

    def __init__(self, raw: bytes, data: bytes | None = None, event: str | None = None) -> None:
        self.raw = raw
        self._data = data
        self._event = event
        self._parsed: dict[str, Any] | None = _UNREAD

    @property
    def data(self) -> bytes:
        if self._data is None:
            self._data, self._event = _dissected(self.raw)
        return self._data

    @property
    def event(self) -> str | None:
        """The event's name, where it has one."""
        return self._event if self.data else None

    @property
    def is_done(self) -> bool:
        """True for OpenAI's end mark."""
        return _DONE in self.raw and self.data.strip() == _DONE

    @property
    def parsed(self) -> dict[str, Any] | None:
        """The JSON object in `data`; None for the end mark and for whatever is not a JSON object. Parsed once."""
        if self._parsed is _UNREAD:
            self._parsed = _as_object(self.data)
        return self._parsed

    def __repr__(self) -> str:
        return f"<Frame {len(self.raw)} bytes>"  # what people wrote stays out of logs


def _dissected(raw: bytes) -> tuple[bytes, str | None]:
    """(data, event) of one event; its lines in any spelling."""
    if raw[:6] == b"data: " and raw.find(b"\n") == len(raw) - 2 and b"\r" not in raw:
        return raw[6:-2], None
    lines = _END_OF_LINE.split(raw.removeprefix(_BYTE_ORDER_MARK))
    events = _values(lines, b"event")
    return b"\n".join(_values(lines, b"data")), events[-1].decode("utf-8", "replace") if events else None


def _values(lines: list[bytes], field: bytes) -> list[bytes]:
    return [
        line[len(field) + 1 :].removeprefix(b" ") for line in lines if line.startswith(field + b":") or line == field
    ]


def _as_object(data: bytes) -> dict[str, Any] | None:
    if data[:1] != b"{" and data.lstrip()[:1] != b"{":
        return None
    try:
        return orjson.loads(data)  # type: ignore[no-any-return] # an object, since it begins with a brace
    except orjson.JSONDecodeError:
        return None


def frame_of(content: bytes) -> Frame:
    """A frame of our own making around `content`, which has no line break."""
    return Frame(b"data: " + content + b"\n\n", content)


class SseParser:
    """Feed it bytes, take frames. The same bytes give the same frames, whatever the pieces were.

    `blocks` counts events and comments alike: while it grows, the server is alive.
    """

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self.blocks = 0
        self._max_event_bytes = max_event_bytes
        self._rest = b""
        self._scanned = 0
        self._has_cr = False

    @property
    def is_inside(self) -> bool:
        """True while an event has begun and not ended."""
        return bool(self._rest)

    def feed(self, chunk: bytes) -> list[Frame]:
        """The frames completed by `chunk`. Raises Malformed when an event outgrows the limit."""
        buffer = self._rest + chunk if self._rest else chunk
        self._has_cr = self._has_cr or b"\r" in chunk
        # Nearly all streams end their lines in LF alone.
        *events, self._rest = self._split_anyhow(buffer) if self._has_cr else _split_plainly(buffer)
        if len(buffer) > self._max_event_bytes and max(map(len, [*events, self._rest])) > self._max_event_bytes:
            raise Malformed(message=f"The server sent an event of more than {self._max_event_bytes} bytes.")
        return self._framed(events)

    def finish(self) -> list[Frame]:
        """What was left when the stream ended: servers forget the last blank line."""
        rest, self._rest, self._scanned = self._rest, b"", 0
        return self._framed([rest] if rest else [])

    def _framed(self, events: list[bytes]) -> list[Frame]:
        frames = [
            Frame(raw) for raw in events if (raw[:6] == b"data: " and len(raw) > _SHORTEST_PLAIN) or _dissected(raw)[0]
        ]
        self.blocks += len(events)
        return frames

    def _split_anyhow(self, buffer: bytes) -> list[bytes]:
        """The events of `buffer`, and last what is left of it, with line ends of any kind."""
        events: list[bytes] = []
        start = 0
        found = _END_OF_EVENT.search(buffer, self._scanned)
        while found is not None and not (found.end() == len(buffer) and buffer.endswith(b"\r")):
            events.append(buffer[start : found.end()])
            start = found.end()
            found = _END_OF_EVENT.search(buffer, start)
        rest = buffer[start:]  # a CR at the very end may be the first half of CRLF: wait for the next byte
        self._scanned = max(0, len(rest) - _LONGEST_END + 1)
        return [*events, rest]


def _split_plainly(buffer: bytes) -> list[bytes]:
    *events, rest = buffer.split(b"\n\n")
    return [*[event + b"\n\n" for event in events], rest]
