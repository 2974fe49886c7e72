"""The outermost layer, in front of both planes: request id, allowed hosts, https, security headers, access log.

Django's middleware does not see what Starlette answers, so what must hold for every answer stands here.
"""

from __future__ import annotations

import time
from functools import lru_cache

from django.conf import settings
from django.http.request import split_domain_port, validate_host
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from config import access_log, metrics
from config.refusals import refuse
from tenants.problems import Problem
from tenants.request_id import accept_or_mint, bind, unbind

PROBES = frozenset({"/healthz", "/readyz", "/metrics"})  # asked by address, over plain http, from inside
_API = b"default-src 'none'; frame-ancestors 'none'"
_PAGES = (
    b"default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    b"font-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
_ADMIN = _PAGES.replace(b"script-src 'self'", b"script-src 'self' 'unsafe-eval'")  # the theme's Alpine attributes
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)


class Edge:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        offered = _header(scope, b"x-request-id")
        request_id = accept_or_mint(offered.decode("latin-1") if offered else None)
        token = bind(request_id)
        answer = Answer(scope, send, request_id)
        try:
            problem = _refusal(scope)
            if problem is None:
                await self.app(scope, receive, answer.send)
            else:
                await refuse(answer.send, problem)
        finally:
            answer.account()
            unbind(token)


class Answer:
    """What goes out: its headers completed on the way, its status and time told to the log and the metrics."""

    def __init__(self, scope: Scope, send: Send, request_id: str) -> None:
        self.scope = scope
        self._send = send
        self.request_id = request_id
        self.status = 499  # as nginx says it: nobody waited for an answer
        self.started = time.perf_counter()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = self._completed(list(message.get("headers", ())))
        await self._send(message)

    def _completed(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        there = {name.lower(): value for name, value in headers}
        wanted = [(b"x-request-id", self.request_id.encode()), *_HEADERS]
        wanted.append((b"content-security-policy", self._policy(there.get(b"content-type", b""))))
        if not self.scope["path"].startswith(settings.STATIC_URL):
            wanted.append((b"cache-control", b"no-store"))
        if settings.HTTPS_ONLY and self.scope["scheme"] == "https":
            wanted.append((b"strict-transport-security", b"max-age=31536000; includeSubDomains; preload"))
        return headers + [(name, value) for name, value in wanted if name not in there]

    def _policy(self, content_type: bytes) -> bytes:
        """What a browser may load for this answer."""
        if not content_type.startswith(b"text/html"):
            return _API
        return _ADMIN if self.scope["path"].startswith("/admin/") else _PAGES

    def account(self) -> None:
        seconds = time.perf_counter() - self.started
        path, method = self.scope["path"], self.scope["method"]
        metrics.answered(path, method, self.status, seconds)
        if path not in PROBES:
            access_log.answered(
                method=method,
                path=path,
                status=self.status,
                seconds=seconds,
                client=(self.scope.get("client") or ("",))[0],
                request_id=self.request_id,
            )


def _header(scope: Scope, name: bytes) -> bytes | None:
    return next((value for key, value in scope["headers"] if key == name), None)


def _refusal(scope: Scope) -> Problem | None:
    if scope["path"] in PROBES:
        return None
    if not _is_ours(_header(scope, b"host") or b"", tuple(settings.ALLOWED_HOSTS)):
        return Problem("host_not_allowed")
    if settings.HTTPS_ONLY and scope["scheme"] != "https":
        return Problem("https_required")
    return None


@lru_cache(maxsize=1024)
def _is_ours(host: bytes, allowed: tuple[str, ...]) -> bool:
    domain, _port = split_domain_port(host.decode("latin-1"))
    return bool(domain) and validate_host(domain, allowed)
