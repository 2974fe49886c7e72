"""Every refusal of the control plane becomes problem+json here: ours, DRF's and Django's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson
import structlog
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.views import defaults
from django.views.csrf import csrf_failure as django_csrf_failure
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.utils.serializer_helpers import ReturnDict

from tenants.authentication import refused
from tenants.problems import CONTENT_TYPE, FieldError, Problem, invalid, problem_body
from tenants.request_id import current_request_id

log = structlog.get_logger(__name__)

PAGES = "/admin/"  # only there do people read HTML

_BY_CLASS: dict[type[Exception], Callable[[Any], Problem]] = {}


def translate(error_class: type[Exception], to_problem: Callable[[Any], Problem]) -> None:
    """Have errors of this class (and below it) answered as what `to_problem` makes of them."""
    _BY_CLASS[error_class] = to_problem


def problem_handler(error: Exception, context: Any) -> Response | None:
    """DRF's EXCEPTION_HANDLER. None for what is nobody's refusal: it goes on to Django, is logged, and gives 500."""
    problem = _problem_of(error)
    if problem is None:
        return None
    body = problem_body(problem, current_request_id())
    return Response(body, status=problem.status, headers=problem.headers, content_type=CONTENT_TYPE)


def _problem_of(error: Exception) -> Problem | None:
    if isinstance(error, Problem):
        return error
    for error_class, to_problem in _BY_CLASS.items():
        if isinstance(error, error_class):
            return to_problem(error)
    return None


def _invalid(error: exceptions.ValidationError) -> Problem:
    return invalid(list(field_errors(error.detail)))


def field_errors(detail: Any, path: str = "") -> Iterator[FieldError]:
    """DRF's nested errors as a flat list, unknown fields first; paths like `credentials.api_key` and `scopes.2`."""
    found = list(_flatten(detail, path))
    yield from sorted(found, key=lambda error: error.code != "unknown_field")


def _flatten(detail: Any, path: str) -> Iterator[FieldError]:
    if isinstance(detail, (dict, ReturnDict)):
        for name, inner in detail.items():
            yield from _flatten(inner, path if name == "non_field_errors" else _join(path, name))
    elif isinstance(detail, (list, tuple)):
        for index, inner in enumerate(detail):
            nested = isinstance(inner, (dict, list))
            yield from _flatten(inner, _join(path, index) if nested else path) if inner else ()
    else:
        yield FieldError(path, getattr(detail, "code", "invalid"), str(detail))


def _join(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)


def _throttled(error: exceptions.Throttled) -> Problem:
    wait_seconds = str(int(getattr(error, "wait", None) or 1))
    return Problem("rate_limit_exceeded", headers={"Retry-After": wait_seconds})


def _database_gone(error: Exception) -> Problem:
    log.error("database_unavailable", error=str(error))
    return Problem("unavailable", "The database does not answer.", headers={"Retry-After": "2"})


translate(exceptions.ValidationError, _invalid)
translate(exceptions.ParseError, lambda error: Problem("malformed_json", str(error.detail)))
translate(exceptions.NotAuthenticated, lambda _: refused("No credential came with the request."))
translate(exceptions.AuthenticationFailed, lambda error: refused(str(error.detail)))
translate(exceptions.PermissionDenied, lambda _: Problem("insufficient_scope"))
translate(PermissionDenied, lambda _: Problem("insufficient_scope"))
translate(exceptions.NotFound, lambda _: Problem("not_found"))
translate(Http404, lambda _: Problem("not_found"))
translate(exceptions.MethodNotAllowed, lambda _: Problem("method_not_allowed"))
translate(exceptions.NotAcceptable, lambda _: Problem("not_acceptable"))
translate(exceptions.UnsupportedMediaType, lambda _: Problem("unsupported_media_type"))
translate(exceptions.Throttled, _throttled)
translate(OperationalError, _database_gone)
translate(InterfaceError, _database_gone)


# --- Django's own answers: handler400 … handler500 and CSRF_FAILURE_VIEW ---
def answer(problem: Problem) -> HttpResponse:
    body = orjson.dumps(problem_body(problem, current_request_id()))
    return HttpResponse(body, status=problem.status, headers=problem.headers, content_type=CONTENT_TYPE)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if request.path.startswith(PAGES):
        return defaults.page_not_found(request, exception)
    return answer(Problem("not_found"))


def server_error(request: HttpRequest) -> HttpResponseBase:
    return defaults.server_error(request) if request.path.startswith(PAGES) else answer(Problem("internal_error"))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if request.path.startswith(PAGES):
        return defaults.bad_request(request, exception)
    return answer(Problem("invalid_request"))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if request.path.startswith(PAGES):
        return defaults.permission_denied(request, exception)
    return answer(Problem("insufficient_scope"))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    if request.path.startswith(PAGES):
        return django_csrf_failure(request, reason)
    return answer(Problem("csrf_failed", reason or None))


def nothing_here(request: HttpRequest) -> HttpResponse:
    """Every address under /api/ that is none of ours, also where DEBUG would show its own page."""
    return answer(Problem("not_found"))
