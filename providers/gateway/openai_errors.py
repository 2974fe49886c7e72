"""Errors of `/v1` in OpenAI's shape: the official SDKs turn status and code into their typed exceptions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import orjson

from providers.errors import PlatformError, ProviderError
from providers.limits import RateLimited
from tenants.codes import CATALOGUE
from tenants.problems import FieldError, Problem

Headers = list[tuple[bytes, bytes]]

JSON: Final = (b"content-type", b"application/json")
FALLBACK_RETRY_SECONDS: Final = 2  # where a wait is sure to help and nobody said how long
_ASKS_TO_WAIT: Final = frozenset({"model_loading", "provider_cooling_down", "queue_full", "rate_limit_exceeded"})
_PROBLEM_CODES: Final = {"authentication_failed": "invalid_api_key", "malformed_json": "invalid_json"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is an error: before the status line a response, after it an event."""

    status: int
    code: str
    body: bytes
    headers: Headers


def refusal_of(error: ProviderError | Problem) -> Refusal:
    return _of_problem(error) if isinstance(error, Problem) else _of_provider_error(error)


def invalid(field: str, message: str) -> Problem:
    """A field of the body that no model server could make sense of."""
    return Problem("invalid_request", message, errors=[FieldError(field, "invalid", message)])


def refuse(
    status: int, code: str, message: str, *, param: str | None = None, headers: Headers | None = None
) -> Refusal:
    body = {"error": {"message": message, "type": _type_of(status, code), "param": param, "code": code}}
    return Refusal(status, code, orjson.dumps(body), [JSON, *(headers or [])])


def _of_problem(problem: Problem) -> Refusal:
    code = _PROBLEM_CODES.get(problem.code, problem.code)
    headers = [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
    if problem.errors:
        return refuse(problem.status, code, problem.detail, param=problem.errors[0].field, headers=headers)
    return refuse(problem.status, code, f"{problem.detail} {problem.hint}".strip(), headers=headers)


def _of_provider_error(error: ProviderError) -> Refusal:
    """What is ours alone is told without detail; the code within, such as `tls_untrusted`, stands in the message."""
    code = error.data_plane_code
    message = CATALOGUE[code].title if isinstance(error, PlatformError) else error.message
    remedy = error.remedy
    if remedy and remedy not in message:
        message = f"{message} {remedy}"
    headers: Headers = []
    status = CATALOGUE[code].status
    seconds = error.retry_after_seconds
    if seconds is not None or code in _ASKS_TO_WAIT:
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(seconds or FALLBACK_RETRY_SECONDS))))
    if isinstance(error, RateLimited):
        headers.extend(error.headers)
    if status >= 500 and not error.retryable:
        headers.append((b"x-should-retry", b"false"))  # the SDKs repeat every 5xx unless told
    return refuse(status, code, message, param=_param_of(code), headers=headers)


def _param_of(code: str) -> str | None:
    return "model" if code in ("model_not_found", "model_disabled", "model_type_mismatch") else None


def _type_of(status: int, code: str) -> str:
    if code == "budget_exceeded":
        return "insufficient_quota"
    if status == 401:
        return "authentication_error"
    if status == 403:
        return "permission_error"
    if status == 429:
        return "rate_limit_error"
    return "server_error" if status >= 500 else "invalid_request_error"
