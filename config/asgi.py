"""The web process: the data plane and the event streams in Starlette, all else in Django behind the bridge.

`application` serves everything. Production may run `control` and `data` as processes of their own.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.core.wsgi import get_wsgi_application

django_wsgi = get_wsgi_application()  # sets Django up: what follows may import models

from django.conf import settings
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp, Receive, Scope, Send

import config.urls  # noqa: F401 # all views, before the port is open: else the first request would wait for them
from config import garbage, health
from config.bridge import Bridge
from config.edge import Edge
from config.static import AppStaticFiles
from config.stopping import listening
from providers import invalidation, limits, redis, slots
from providers.gateway import app as gateway
from providers.gateway.v1 import PREFIX, v1
from providers.upstream import client
from providers.usage import metering
from tenants import in_db, key_use
from tenants.problems import CONTENT_TYPE, Problem, problem_body
from tenants.request_id import current_request_id
from tenants.sealing import verify_before_serving

bridge = Bridge(
    django_wsgi,
    threads=settings.WEB_THREADS,
    body_max_bytes=settings.CONTROL_BODY_MAX_BYTES,
    body_seconds=settings.CONTROL_BODY_SECONDS,
)


@asynccontextmanager
async def lifespan(_app: Starlette) -> AsyncIterator[None]:
    """Pools are made here: an executor made at import is dead after the first lifespan."""
    in_db.open_pool()
    await in_db.in_db(verify_before_serving)
    bridge.open()
    garbage.look_rarely()
    async with key_use.writing():
        with listening():
            health.started.set()
            yield
            health.started.clear()
    await _close()


async def _close() -> None:
    """All answers have ended. What they noted is written first, and the database goes last."""
    await client.current().aclose()
    await slots.close()
    await limits.close()
    await invalidation.stop()
    await asyncio.to_thread(metering.flush)
    await redis.close_async()
    await asyncio.to_thread(bridge.close)
    await asyncio.to_thread(in_db.close_pool)


async def not_found(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "invalid_request")
    return _problem(Problem(code, headers=dict(error.headers or {})))


async def failed(_request: Request, _error: Exception) -> Response:
    return _problem(Problem("internal_error"))


def _problem(problem: Problem) -> Response:
    body = problem_body(problem, current_request_id())
    return JSONResponse(body, problem.status, headers=problem.headers, media_type=CONTENT_TYPE)


def _web(*routes: BaseRoute) -> Edge:
    handlers = {HTTPException: not_found, Exception: failed}
    served = Starlette(routes=[*routes, *health.routes], lifespan=lifespan, exception_handlers=handlers)
    return Edge(_straight_to_v1(served) if any(route in _data for route in routes) else served)


def _straight_to_v1(served: ASGIApp) -> ASGIApp:
    """Calls of `/v1` pass Starlette by: its middlewares and routing cost a tenth of one."""

    async def front(scope: Scope, receive: Receive, send: Send) -> None:
        is_v1 = scope["type"] == "http" and scope["path"].startswith(PREFIX)
        await (v1 if is_v1 else served)(scope, receive, send)

    return front


_data = gateway.routes()
_control = [Mount("/static", AppStaticFiles()), *health.routes, Mount("/", bridge)]

application = _web(*_data, *_control)
control = _web(*_control)
data = _web(*_data)
