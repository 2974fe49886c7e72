"""Chunks of a stream that differ from one before in nothing but their text: read without being parsed.

Most chunks are the same bytes around another piece of text. Once one of them was understood, what stands between the
same head and tail either is one JSON string, and so the text, or the chunk is of another shape. Pure, no I/O.
"""

from __future__ import annotations

from typing import Final

import orjson

_CONTENT: Final = b'"content"'
_SPELLINGS: Final = (b'"content":', b'"content": ')
_MOST_LESSONS: Final = 4  # in one stream; a server that changes more than the text is read chunk by chunk


class Alike:
    """`learn` from a chunk that says a text and nothing else; then `read` those like it."""

    def __init__(self) -> None:
        self._lessons = 0
        self._head = self._tail = b""  # of the event as it comes, around its text
        self._shown_head = self._shown_tail = b""  # and of what readers are shown

    def read(self, raw: bytes) -> tuple[str, bytes] | None:
        """The text of an event and what is shown of it; None where it is not like the one that was learned."""
        head, tail = self._head, self._tail
        if not head or not (raw.startswith(head) and raw.endswith(tail)):
            return None
        spelled = raw[len(head) : len(raw) - len(tail)]
        if spelled[:1] != b'"':
            return None
        try:
            return orjson.loads(spelled), self._shown_head + spelled + self._shown_tail
        except orjson.JSONDecodeError:
            return None

    def learn(self, raw: bytes, shown: bytes, text: str) -> None:
        """`raw` says `text` as its only choice's only content, and `shown` is made of it. Quotes inside texts are
        escaped, so that the key stands once where it is the only one."""
        if self._lessons >= _MOST_LESSONS or raw.count(_CONTENT) != 1 or shown.count(_CONTENT) != 1:
            return
        self._lessons += 1
        for key in _SPELLINGS:
            said = key + orjson.dumps(text)
            if said in raw and said in shown:
                head, _, self._tail = raw.partition(said)
                shown_head, _, self._shown_tail = shown.partition(said)
                self._head, self._shown_head = head + key, shown_head + key
                return
