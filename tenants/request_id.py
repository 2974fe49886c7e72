"""The id that ties an answer, its log lines and its audit events together (`X-Request-Id`)."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextvars import ContextVar, Token

from django.http import HttpRequest, HttpResponseBase

from tenants.ids import new_id

_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{8,64}")  # anything else could forge log lines
_current: ContextVar[str] = ContextVar("request_id", default="")


def current_request_id() -> str:
    """The id of the request being answered; empty outside one."""
    return _current.get()


def accept_or_mint(offered: str | None) -> str:
    """The caller's own id where it is harmless, else a new one."""
    if offered and _ACCEPTED.fullmatch(offered):
        return offered
    return new_id().hex


def bind(request_id: str) -> Token[str]:
    return _current.set(request_id)


def unbind(token: Token[str]) -> None:
    _current.reset(token)


class RequestIdMiddleware:
    """For Django alone (tests, `runserver`); behind config/asgi.py the id is already bound, and is kept."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        token = bind(current_request_id() or accept_or_mint(request.META.get("HTTP_X_REQUEST_ID")))
        try:
            response = self.get_response(request)
            response.headers.setdefault("X-Request-Id", current_request_id())
            return response
        finally:
            unbind(token)
