"""The operators' login. Django's own form asks for the password alone, also where the person has a second factor."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from allauth.mfa.base.forms import AuthenticateForm as SecondFactorForm
from allauth.mfa.utils import is_mfa_enabled
from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from unfold.forms import AuthenticationForm
from unfold.widgets import UnfoldAdminTextInputWidget

from tenants.problems import Problem

NEEDS_SECOND_FACTOR = (
    "Operators of this installation need a second factor, and this account has none. Set one up over /_allauth/, or "
    "have `manage.py second_factor` run for it."
)


class OperatorLoginForm(AuthenticationForm):
    """Password and, for people who have set one up, the second factor. Failures count against allauth's limits."""

    code = forms.CharField(
        label="Authenticator code",
        required=False,
        max_length=32,
        widget=UnfoldAdminTextInputWidget({"autocomplete": "one-time-code", "inputmode": "numeric"}),
        help_text="Six digits or a recovery code; empty if you have not set up a second factor.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "Email address"

    def clean(self) -> dict[str, Any]:
        self._log_in()
        return dict(self.cleaned_data)

    def _log_in(self) -> None:
        email, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if not (email and password):
            return
        try:
            user = get_adapter(self.request).authenticate(self.request, email=email, password=password)
        except Problem as refusal:
            raise ValidationError(f"{refusal.detail} {refusal.hint}", code=refusal.code) from None
        if user is None:
            raise self.get_invalid_login_error()
        self.confirm_login_allowed(user)
        if is_mfa_enabled(user):
            self._check_second_factor(user)
        elif settings.STAFF_MFA_REQUIRED:
            raise ValidationError(NEEDS_SECOND_FACTOR, code="second_factor_missing")
        self.user_cache = user

    def _check_second_factor(self, user: Any) -> None:
        second = SecondFactorForm({"code": self.cleaned_data.get("code", "")}, user=user)
        if not second.is_valid():
            raise ValidationError({"code": "Enter the present code of your authenticator app, or a recovery code."})
        self.request.second_factor = second


def remember_second_factor(request: HttpRequest) -> None:
    """Note in the session of a login that has just succeeded what it was proven with, as allauth's own logins do."""
    second: SecondFactorForm | None = getattr(request, "second_factor", None)
    if second is not None and request.user.is_authenticated:
        second.save()


def has_proven_enough(request: HttpRequest) -> bool:
    """Whether this session may be an operator's. One that began elsewhere, or before there was a second factor, may
    rest on a password alone."""
    if not settings.STAFF_MFA_REQUIRED:
        return True
    return any(proof["method"] == "mfa" for proof in get_authentication_records(request, request.user))
