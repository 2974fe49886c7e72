"""allauth's two adapters: who may sign up, and how second factors are kept."""

from __future__ import annotations

import json
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings
from django.http import HttpRequest

from tenants.invitations import is_invited
from tenants.problems import Problem
from tenants.sealing import open_platform_text, seal_platform_text

MFA_PURPOSE = "mfa"


class AccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """SIGNUP=open lets anybody in, `invite` whose address was invited. Operators make the other accounts."""
        if settings.SIGNUP != "invite" or request.method != "POST":
            return bool(settings.SIGNUP != "closed")
        return is_invited(_email_in(request))

    def authenticate(self, request: HttpRequest, **credentials: Any) -> Any:
        """A login that could not be looked at is not a failed one."""
        try:
            return super().authenticate(request, **credentials)
        except Problem:
            self._rollback_login_failed_rl_usage()
            raise


class MFAAdapter(DefaultMFAAdapter):
    """A TOTP secret belongs to a person, not to a tenant: it is sealed under the keyring itself."""

    def encrypt(self, text: str) -> str:
        return seal_platform_text(text, MFA_PURPOSE)

    def decrypt(self, encrypted_text: str) -> str:
        return open_platform_text(encrypted_text, MFA_PURPOSE)


def _email_in(request: HttpRequest) -> str:
    """Of a sign-up, which allauth has found to be a JSON object before it asks."""
    try:
        email = json.loads(request.body).get("email")
    except (ValueError, AttributeError):
        return ""
    return email if isinstance(email, str) else ""
