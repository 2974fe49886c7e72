"""Cross-site request forgery, for callers known by a cookie. Bearer keys and session tokens need no such guard."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware

from tenants.problems import Problem

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class _Check(CsrfViewMiddleware):
    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        raise Problem("csrf_failed", reason)


class _Outside(HttpRequest):
    """What Django's check needs to know of a request that Starlette answers."""

    def __init__(self, *, method: str, scheme: str, headers: Mapping[str, str], cookies: Mapping[str, str]) -> None:
        super().__init__()
        self.method = method
        self._outer_scheme = scheme
        self.COOKIES = dict(cookies)
        self.META = {"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers.items()}

    def _get_scheme(self) -> str | None:
        return self._outer_scheme


def _nothing(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


def refuse_forgery(request: HttpRequest) -> None:
    """Raises Problem `csrf_failed` unless the request carries the cookie's token and comes from a trusted origin."""
    check = _Check(_nothing)
    check.process_request(request)
    check.process_view(request, _nothing, (), {})


def refuse_forgery_outside(*, method: str, scheme: str, headers: Mapping[str, str], cookies: Mapping[str, str]) -> None:
    """The same for a request that Django never sees; `headers` by lower-case name."""
    if method not in SAFE_METHODS:
        refuse_forgery(_Outside(method=method, scheme=scheme, headers=headers, cookies=cookies))
