"""What the views of allauth and of the admin cannot say by themselves: a refusal of ours, and when to come back.

allauth reads JSON as Python does, which a long number or deep nesting breaks: a body is looked at here first.
"""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from tenants.api.bodies import read_plain_json
from tenants.api.problems import answer
from tenants.problems import Problem

LIMITS_LAST_SECONDS = 60  # allauth's limits on logins, resets and sign-ups of one address are by the minute


ACCOUNTS = "/_allauth/"


class AccountAnswersMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            _refuse_what_allauth_would_choke_on(request)
        except Problem as refusal:
            return answer(refusal)
        response = self.get_response(request)
        if response.status_code == 429:
            response.headers.setdefault("Retry-After", str(LIMITS_LAST_SECONDS))
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        """Views of DRF have answered their own by now."""
        return answer(error) if isinstance(error, Problem) else None


def _refuse_what_allauth_would_choke_on(request: HttpRequest) -> None:
    if request.path.startswith(ACCOUNTS) and request.body and not isinstance(read_plain_json(request), dict):
        raise Problem("invalid_request", "The body is valid JSON, but not an object.")
