"""DRF's door to `tenants.authentication`: `request.auth` is the `Principal`, `request.user` the person, if any."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AnonymousUser
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from tenants.authentication import CHALLENGE, Principal, identify
from tenants.csrf import SAFE_METHODS, refuse_forgery
from tenants.models import User

_HEADERS = {"authorization": "HTTP_AUTHORIZATION", "x-session-token": "HTTP_X_SESSION_TOKEN"}


class ApiAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[User | AnonymousUser, Principal] | None:
        headers = {name: request.META[key] for name, key in _HEADERS.items() if key in request.META}
        principal = identify(headers, request.COOKIES, request.META.get("REMOTE_ADDR"))
        if principal is None:
            return None
        if principal.via == "cookie" and request.method not in SAFE_METHODS:
            refuse_forgery(request._request)
        return principal.user or AnonymousUser(), principal

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE["WWW-Authenticate"]


class IsKnown(BasePermission):
    """Somebody is asking. What they may do is for the view and its tenant to say."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return isinstance(request.auth, Principal)


class JSONAnyway(DefaultContentNegotiation):
    """Answer in JSON where `Accept` names nothing that we have: a browser should see the answer, not a 406."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> tuple[Any, str]:
        try:
            chosen: tuple[Any, str] = super().select_renderer(request, renderers, format_suffix)
        except NotAcceptable:
            return renderers[0], renderers[0].media_type
        return chosen


class ApiAuthenticationScheme(OpenApiAuthenticationExtension):
    target_class = "tenants.api.authentication.ApiAuthentication"
    name = ["apiKey", "sessionToken", "sessionCookie"]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        return [
            {"type": "http", "scheme": "bearer", "description": "An API key of one tenant: `myd_live_…`."},
            {
                "type": "apiKey",
                "in": "header",
                "name": "X-Session-Token",
                "description": "The session token of a login over `/_allauth/app/v1/`.",
            },
            {
                "type": "apiKey",
                "in": "cookie",
                "name": "sessionid",
                "description": "The session cookie of a login over `/_allauth/browser/v1/`, with `X-CSRFToken`.",
            },
        ]
