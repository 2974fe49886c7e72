"""Strict JSON in, JSON out. What a database or a careless parser would choke on is refused with the field's name."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import IO, Any, NoReturn

import orjson
from django.core.exceptions import RequestDataTooBig
from django.utils.functional import Promise
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer

from tenants.problems import CONTENT_TYPE, FieldError, Problem, invalid

MAX_DEPTH = 32
MAX_DIGITS = 1000  # Python itself refuses to read longer numbers
MAX_INTEGER = 2**63 - 1  # what both databases hold


class StrictJSONParser(BaseParser):
    """UTF-8 JSON without repeated names, NaN, infinite or huge numbers, NUL, lone surrogates or deep nesting."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        return read_plain_json((parser_context or {})["request"])


def read_plain_json(request: Any) -> Any:
    """`read_json` of a whole request of Django's or DRF's, whose body may be neither compressed nor too large."""
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise Problem("unsupported_media_type", "Compressed bodies are not taken.")
    try:
        body = request.body  # not the stream: reading it whole keeps to the size limit
    except RequestDataTooBig:
        raise Problem("request_too_large") from None
    return read_json(body)


def read_json(body: bytes) -> Any:
    """Raises Problem `malformed_json`, or `invalid_request` naming the field that holds what may not be there."""
    try:
        parsed = json.loads(
            body.decode(), object_pairs_hook=_object, parse_constant=_refuse_constant, parse_int=_integer
        )
    except UnicodeDecodeError:
        raise Problem("malformed_json", "The body is not UTF-8.") from None
    except RecursionError:
        raise Problem("malformed_json", f"The body is nested deeper than {MAX_DEPTH} levels.") from None
    except json.JSONDecodeError as error:
        raise Problem("malformed_json", f"{error.msg} at line {error.lineno}, column {error.colno}.") from None
    errors = [FieldError(path, code, message) for path, code, message in _faults(parsed)]
    if errors:
        raise invalid(errors[:20])
    return parsed


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise Problem("malformed_json", f"The name {repeated[:50]!r} stands twice in one object.")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise Problem("malformed_json", f"{name} is not JSON.")


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise Problem("malformed_json", f"A number has more than {MAX_DIGITS} digits.")
    return int(digits)


def _faults(parsed: Any) -> Iterator[tuple[str, str, str]]:
    """Walk without recursion; each fault with the path of its field."""
    waiting: list[tuple[str, Any, int]] = [("", parsed, 1)]
    while waiting:
        path, value, depth = waiting.pop()
        if isinstance(value, (dict, list)):
            if depth > MAX_DEPTH:
                raise Problem("malformed_json", f"The body is nested deeper than {MAX_DEPTH} levels.")
            pairs = value.items() if isinstance(value, dict) else enumerate(value)
            for name, inner in pairs:
                if isinstance(name, str) and (fault := _text_fault(name)):
                    yield path, *fault
                    continue
                waiting.append((f"{path}.{name}" if path else str(name), inner, depth + 1))
        elif fault := _fault(value):
            yield path, *fault


def _fault(value: Any) -> tuple[str, str] | None:
    if isinstance(value, str):
        return _text_fault(value)
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, float):
        return None if math.isfinite(value) else ("number_too_large", "This number is too large.")
    return None if abs(value) <= MAX_INTEGER else ("number_too_large", "This number is too large.")


def _text_fault(text: str) -> tuple[str, str] | None:
    if "\x00" in text:
        return "null_character", "Text may not hold the NUL character."
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        return "lone_surrogate", "Text may not hold half of a surrogate pair."
    return None


class JSONRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None
    render_style = "text"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        return b"" if data is None else orjson.dumps(data, default=_plain, option=orjson.OPT_UTC_Z)


class ProblemRenderer(JSONRenderer):
    media_type = CONTENT_TYPE
    format = "problem"


def _plain(value: Any) -> Any:
    if isinstance(value, (Promise, Decimal)):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not JSON.")
