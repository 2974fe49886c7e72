"""How the control plane's routes in Starlette refuse: problem+json, rendered here and nowhere else on this edge."""

from __future__ import annotations

import functools
import math
from collections.abc import Awaitable, Callable

import orjson
import structlog
from django.db import InterfaceError, OperationalError
from starlette.requests import Request
from starlette.responses import Response

from providers.errors import FormRefused, ProviderError
from tenants.problems import CONTENT_TYPE, FieldError, Problem, problem_body
from tenants.request_id import current_request_id

Endpoint = Callable[[Request], Awaitable[Response]]

log = structlog.get_logger(__name__)


def answering_problems(endpoint: Endpoint) -> Endpoint:
    """The endpoint, with every refusal that it raises answered as problem+json."""

    @functools.wraps(endpoint)
    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Problem as problem:
            return problem_response(problem)
        except ProviderError as error:
            return problem_response(problem_of(error))
        except (OperationalError, InterfaceError) as down:
            log.error("database_unavailable", error=str(down))
            retry = {"Retry-After": "2"}
            return problem_response(Problem("unavailable", "The database does not answer.", headers=retry))

    return answer


def problem_of(error: ProviderError) -> Problem:
    errors = [FieldError(error.field, error.code, error.message)] if isinstance(error, FormRefused) else None
    headers = {}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_seconds)))
    return Problem(error.code, error.message, errors=errors, headers=headers)


def problem_response(problem: Problem) -> Response:
    body = orjson.dumps(problem_body(problem, current_request_id()))
    return Response(body, problem.status, headers=problem.headers, media_type=CONTENT_TYPE)
