"""An error answer -> the ProviderError that says whose fault it is. Pure: status, headers and body are all it knows."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import orjson

from providers.errors import (
    BodyTooLarge,
    CallerError,
    ContextOverflow,
    CredentialRejected,
    Malformed,
    Overloaded,
    PermissionDenied,
    ProviderError,
    ServerFailed,
    UnknownModel,
)
from providers.upstream.error_texts import CODES, CONTEXT_FIGURES, TEXTS

MAX_RETRY_AFTER_SECONDS: Final = 3600.0
EXCERPT_CHARS: Final = 300
_MATCHED_CHARS: Final = 8192  # LocalAI lists every backend's failure; the first kilobytes tell
_ECHO_PREFIX: Final = re.compile(r"^code=\d{3}, message=")
_PROXY_PAGE: Final = re.compile(r"bad gateway|service (?:temporarily )?unavailable|gateway time-?out", re.IGNORECASE)


def classify_error(status: int, headers: Mapping[str, str], body: bytes, kind: str = "") -> ProviderError:
    """What an answer of 300 or above means. The error's evidence holds the status and an excerpt of the words.

    `kind` is of no weight so far: the servers' words do not collide.
    """
    fault = _classified(status, headers, body)
    fault.retry_after_seconds = fault.retry_after_seconds or parse_retry_after(headers)
    fault.evidence = {"status": status, **fault.evidence}
    return fault


def _classified(status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
    if status < 400:
        return Malformed("web_page_not_api", f"The server answered {status}: it sends callers to another address.")
    if is_web_page(headers, body):
        return _page(status, body)
    code, message = _said(body)
    fault = _by_status(status, message) or recognise(message, code, status=status) or _unknown(status, headers, message)
    fault.evidence.update(_figures_beside(body))
    return fault


def _by_status(status: int, message: str) -> ProviderError | None:
    """Where the status alone is clear, whatever the words."""
    if status == 401:
        return CredentialRejected(message=_told(status, message), **_facts(message))
    if status in (404, 405):
        known = recognise(message, status=status)
        is_model = isinstance(known, UnknownModel)
        return known if is_model else Malformed("path_not_found", _told(status, message), **_facts(message))
    return None


def _unknown(status: int, headers: Mapping[str, str], message: str) -> ProviderError:
    told, facts = _told(status, message), _facts(message)
    if status in (402, 403):
        return PermissionDenied(message=told, **facts)
    if status == 413:
        return BodyTooLarge(message=told, **facts)
    if status in (408, 425, 429, 503, 529) or (status >= 500 and parse_retry_after(headers) is not None):
        return Overloaded(message=told, **facts)
    if status < 500:
        return CallerError("invalid_request", f"The server refused the request. {told}", **facts)
    return ServerFailed(message=told, **facts)


def _facts(message: str) -> dict[str, Any]:
    return {"evidence": {"said": excerpt(message)}} if message else {}


def _page(status: int, body: bytes) -> ProviderError:
    """A page where JSON belongs: another server's, or a proxy's in front of the right one."""
    if status == 401:
        return CredentialRejected(message="A page before the API asks for a login (401).")
    if status == 413:
        return BodyTooLarge(message="A proxy before the API refused the size of the request (413).")
    if status == 429 or (status in (502, 503, 504) and _PROXY_PAGE.search(body[:4096].decode("utf-8", "replace"))):
        return Overloaded(message=f"A proxy before the API answered {status}: the server behind it does not answer.")
    return Malformed(
        "web_page_not_api", f"The server answered {status} with a web page.", evidence={"excerpt": excerpt(body)}
    )


# --- Words ---
def recognise(message: str, code: str = "", *, status: int | None = None) -> ProviderError | None:
    """The failure that these words are known for; None for words never heard. `status` None: said inside a stream."""
    told, facts = _told(status, message), _facts(message)
    if code in CODES:
        fault, known = CODES[code]
        return _with_figures(fault(known, told, **facts), message)
    heard = message[:_MATCHED_CHARS]
    for fault, known, said in TEXTS:
        if said.search(heard):
            return _with_figures(fault(known, told, **facts), heard)
    return None


def _told(status: int | None, message: str) -> str:
    where = "inside the stream" if status is None else str(status)
    return f"The server answered {where}{f': {excerpt(message)}' if message else ', and nothing more.'}"


def _with_figures(fault: ProviderError, message: str) -> ProviderError:
    if isinstance(fault, ContextOverflow):
        for pattern in CONTEXT_FIGURES:
            if found := pattern.search(message):
                figures = {"requested_tokens": found.groupdict().get("asked"), "context_size": found["size"]}
                fault.evidence.update({name: int(text) for name, text in figures.items() if text})
                break
    return fault


def spoken_error(body: Mapping[str, Any]) -> tuple[str, str]:
    """(code or type, message) of an error object in any of its shapes; numbers are no code, they repeat the status."""
    error = body.get("error", body)
    if not isinstance(error, Mapping):
        return "", _text(error)
    words = [error.get(name) for name in ("code", "type") if isinstance(error.get(name), str)]
    code = next((word for word in words if word in CODES), next(iter(words), ""))
    message = next((error[name] for name in ("message", "detail", "msg", "reason", "error") if error.get(name)), "")
    return code or "", _ECHO_PREFIX.sub("", _text(message))


def _said(body: bytes) -> tuple[str, str]:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        content = None
    code, message = spoken_error(content) if isinstance(content, dict) else ("", _text(content))
    return code, message or body[:_MATCHED_CHARS].decode("utf-8", "replace").strip()


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):  # FastAPI's list of faults
        faults = [fault for fault in value[:5] if isinstance(fault, Mapping)]
        told = [fault["msg"] for fault in faults if isinstance(fault.get("msg"), str)]
        if told:
            return "; ".join(told)
    return ""


def _figures_beside(body: bytes) -> dict[str, Any]:
    """Figures that servers put beside the words: llama.cpp's n_ctx, LocalAI's progress of a load."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(content, dict):
        return {}
    error, loading = content.get("error"), content.get("loading")
    figures: dict[str, Any] = {}
    if isinstance(error, dict):
        figures = {"requested_tokens": error.get("n_prompt_tokens"), "context_size": error.get("n_ctx")}
    if isinstance(loading, dict):
        figures |= {name: loading.get(name) for name in ("progress", "eta_seconds")}
    return {name: value for name, value in figures.items() if isinstance(value, int | float)}


def excerpt(said: str | bytes) -> str:
    """The beginning of what a server said, on one printable line, for messages and evidence."""
    beginning = said[: EXCERPT_CHARS * 4]
    text = beginning.decode("utf-8", "replace") if isinstance(beginning, bytes) else beginning
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= EXCERPT_CHARS else f"{line[:EXCERPT_CHARS]}…"


# --- Headers ---
def is_web_page(headers: Mapping[str, str], body: bytes = b"") -> bool:
    media_type = _header(headers, "Content-Type").lower()
    return "text/html" in media_type or body[:200].lstrip()[:14].lower().startswith((b"<!doctype html", b"<html"))


def parse_retry_after(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """Seconds to wait, from a count or a date, between 0 and an hour. None where nothing sensible is said."""
    said = _header(headers, "Retry-After").strip()
    if not said:
        return None
    try:
        seconds = float(said) if said[:1].isdigit() else _until(said, now or datetime.now(UTC))
    except ValueError:
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS) if math.isfinite(seconds) else None


def _until(date: str, now: datetime) -> float:
    moment = parsedate_to_datetime(date)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now.timestamp()


def _header(headers: Mapping[str, str], name: str) -> str:
    return headers.get(name) or headers.get(name.lower()) or ""
