"""A form with a file in it (multipart/form-data), read within limits, kept out of memory, and written anew.

What is forwarded is written from what was read here: our own boundary, each part's name, file name and type, and its
bytes untouched. So no server can understand a part otherwise than the checks did, whatever its parser makes of odd
headers, encodings or line ends.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import unquote_to_bytes

import structlog
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.types import Receive, Scope

from providers.gateway.bodies import pieces_of, refuse_other_spellings
from providers.gateway.openai_errors import invalid
from tenants.problems import Problem

SPOOL_BYTES: Final = 2**20  # what of a form is held in memory; a longer one goes to a temporary file
PIECE_BYTES: Final = 256 * 1024
TEXT_BYTES: Final = 64 * 1024  # a longer text is passed on unread
MOST_PARTS: Final = 100
ONLY_ONCE: Final = frozenset({"model", "stream", "response_format", "file"})
_NAME: Final = re.compile(rb'[^\x00-\x1f\x7f"\\]{1,255}')
_UNFIT_IN_FILE_NAMES: Final = re.compile(rb'[\x00-\x1f\x7f"\\]')
_EXTENDED: Final = re.compile(rb"; ?filename\*=utf-8''([^;]+)", re.IGNORECASE)
_MEDIA_TYPE: Final = re.compile(rb"[!-~ ]{1,255}")


log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Part:
    """A part of a form, whose bytes are in the spool from `start` to `end`. A text has no file name."""

    name: str
    start: int
    end: int
    file_name: bytes | None = None
    media_type: bytes | None = None

    def head(self) -> bytes:
        said = [b'Content-Disposition: form-data; name="%s"' % self.name.encode()]
        if self.file_name is not None:
            said.append(b'; filename="%s"' % _UNFIT_IN_FILE_NAMES.sub(b"_", self.file_name))
            said.append(b"\r\nContent-Type: %s" % (self.media_type or b"application/octet-stream"))
        return b"".join([*said, b"\r\n\r\n"])


class Spool:
    """Bytes that are put down and read again; on disk once there are many."""

    def __init__(self) -> None:
        self.size = 0
        self._file: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(max_size=SPOOL_BYTES)  # noqa: SIM115

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    @property
    def is_on_disk(self) -> bool:
        return self.size > SPOOL_BYTES

    async def put(self, data: bytes) -> None:
        """Raises Problem `unavailable` where the disk does not take it."""
        self.size += len(data)
        try:
            if self.is_on_disk:
                await asyncio.to_thread(self._file.write, data)
            else:
                self._file.write(data)
        except OSError as fault:
            log.exception("form_not_stored", bytes=self.size)
            raise Problem("unavailable", "There is no room for this form now.") from fault

    async def read(self, start: int, end: int) -> bytes:
        return await asyncio.to_thread(self._read, start, end) if self.is_on_disk else self._read(start, end)

    def _read(self, start: int, end: int) -> bytes:
        self._file.seek(start)
        return self._file.read(end - start)


class Form(dict[str, Any]):
    """The texts of a form by name, and its files as `Part`; of a repeated name the last. `parts` are all, in order."""

    def __init__(self, spool: Spool, parts: list[Part], texts: Mapping[str, str]) -> None:
        super().__init__({part.name: texts.get(part.name, part) for part in parts})
        self.parts = parts
        self.spool = spool

    def rewritten(self, fields: Mapping[str, str]) -> Rewritten:
        """The form to send: `fields` in place of the caller's parts of these names, all else as it came."""
        return Rewritten(self, fields)


class Rewritten:
    """A request's body (`Source`): read from the spool as it goes out."""

    def __init__(self, form: Form, fields: Mapping[str, str]) -> None:
        self.boundary = f"modelyard-{secrets.token_hex(16)}"
        self._spool = form.spool
        self._segments: list[bytes | Part] = []
        delimiter = b"--" + self.boundary.encode() + b"\r\n"
        for name, text in fields.items():
            self._segments.append(delimiter + Part(name, 0, 0).head() + text.encode() + b"\r\n")
        for part in form.parts:
            if part.name not in fields:
                self._segments += [delimiter + part.head(), part, b"\r\n"]
        self._segments.append(delimiter[:-2] + b"--\r\n")

    @property
    def media_type(self) -> str:
        return f"multipart/form-data; boundary={self.boundary}"

    def __len__(self) -> int:
        return sum(len(one) if isinstance(one, bytes) else one.end - one.start for one in self._segments)

    async def pieces(self) -> AsyncIterator[bytes]:
        for segment in self._segments:
            if isinstance(segment, bytes):
                yield segment
            else:
                for start in range(segment.start, segment.end, PIECE_BYTES):
                    yield await self._spool.read(start, min(start + PIECE_BYTES, segment.end))


async def read_form(spool: Spool, scope: Scope, receive: Receive) -> Form:
    """The form in the body, its bytes in `spool`, which the caller closes. Raises Problem unsupported_media_type,
    invalid_request, request_too_large or request_timeout, or CallerGone."""
    reader = _Reader(_boundary_of(scope))
    async for piece in pieces_of(scope, receive):
        if data := reader.feed(piece):
            await spool.put(data)
    parts = reader.finish()
    _check_names([part.name for part in parts])
    return Form(spool, parts, {part.name: await _text(spool, part) for part in parts if _is_short_text(part)})


def _is_short_text(part: Part) -> bool:
    return part.file_name is None and part.end - part.start <= TEXT_BYTES


async def _text(spool: Spool, part: Part) -> str:
    try:
        return (await spool.read(part.start, part.end)).decode()
    except UnicodeDecodeError:
        raise invalid(part.name, f"`{part.name}` must be text in UTF-8.") from None


def _check_names(names: list[str]) -> None:
    refuse_other_spellings(names)
    for name in ONLY_ONCE:
        if names.count(name) > 1:
            raise invalid(name, f"Send `{name}` once.")


def _boundary_of(scope: Scope) -> bytes:
    said = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    media_type, options = parse_options_header(said)
    if media_type != b"multipart/form-data" or not options.get(b"boundary"):
        hint = "Send multipart/form-data with a boundary, and the sound as `file`."
        raise Problem("unsupported_media_type", "This call takes a form.", hint=hint)
    return options[b"boundary"]


class _Reader:
    """Feed it the body; it gives back the bytes that belong to parts, and at the end the parts."""

    def __init__(self, boundary: bytes) -> None:
        self._parts: list[Part] = []
        self._data: list[bytes] = []
        self._at = 0  # how many bytes of parts there were so far
        self._headers: dict[bytes, bytes] = {}
        self._field = self._value = b""
        self._has_ended = False
        self._parser = _parser(boundary, self)

    def feed(self, piece: bytes) -> bytes:
        self._data = []
        try:
            self._parser.write(piece)
        except FormParserError as fault:
            raise Problem("invalid_request", f"The form cannot be read: {fault}.") from None
        return b"".join(self._data)

    def finish(self) -> list[Part]:
        if not self._has_ended:
            raise Problem("invalid_request", "The form ends before its last boundary.")
        return self._parts

    # --- For the parser ---
    def on_part_begin(self) -> None:
        self._headers = {}

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field = self._value = b""

    def on_headers_finished(self) -> None:
        if len(self._parts) >= MOST_PARTS:
            raise Problem("invalid_request", f"A form has at most {MOST_PARTS} parts.")
        said = self._headers.get(b"content-disposition", b"")
        sort, options = parse_options_header(said)
        name, media_type = options.get(b"name", b""), self._headers.get(b"content-type", b"")
        if sort != b"form-data" or not _NAME.fullmatch(name):
            raise Problem("invalid_request", "Each part of a form needs a name.")
        part = Part(name.decode("utf-8", "replace"), self._at, self._at, options.get(b"filename") or _extended(said))
        part.media_type = media_type if _MEDIA_TYPE.fullmatch(media_type) else None
        self._parts.append(part)

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._data.append(data[start:end])
        self._at += end - start
        self._parts[-1].end = self._at

    def on_end(self) -> None:
        self._has_ended = True


def _extended(disposition: bytes) -> bytes | None:
    """A file name in RFC 5987's spelling, which Python's `requests` uses for all that is not ASCII."""
    found = _EXTENDED.search(disposition)
    return unquote_to_bytes(found[1]) if found else None


def _parser(boundary: bytes, reader: _Reader) -> MultipartParser:
    try:
        return MultipartParser(
            boundary,
            {
                "on_part_begin": reader.on_part_begin,
                "on_header_field": reader.on_header_field,
                "on_header_value": reader.on_header_value,
                "on_header_end": reader.on_header_end,
                "on_headers_finished": reader.on_headers_finished,
                "on_part_data": reader.on_part_data,
                "on_end": reader.on_end,
            },
        )
    except FormParserError as fault:
        raise Problem("invalid_request", f"The form cannot be read: {fault}.") from None
