"""What must be true of the settings before this installation may serve: each message says what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError

SECRET_KEY_LENGTH = 50
HOW_TO_MAKE_ONE = '`python -c "import secrets; print(secrets.token_urlsafe(48))"`'


def _secret_key() -> str:
    try:
        return str(settings.SECRET_KEY)
    except ImproperlyConfigured:  # Django's own way to say that it is empty
        return ""


@register(Tags.security)
def secret_key_is_strong(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    key = _secret_key()
    if len(key) >= SECRET_KEY_LENGTH and len(set(key)) >= 5:
        return []
    what = "SECRET_KEY is missing." if not key else "SECRET_KEY is too short or too plain."
    return [Error(what, hint=f"Set it, or SECRET_KEY_FILE, to what {HOW_TO_MAKE_ONE} prints.", id="tenants.E001")]


@register(Tags.security)
def keyring_is_usable(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    from tenants.sealing.keyring import KeyringError, keyring

    if not _secret_key():
        return []  # said above; a keyring is compared with it
    try:
        keyring()
    except KeyringError as error:
        return [Error(str(error), id="tenants.E002")]
    return []


@register(Tags.security)
def choices_are_known(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    known = {"SIGNUP": ("closed", "invite", "open"), "TENANT_CREATION": ("staff", "anyone")}
    return [
        Error(
            f"{name} is {getattr(settings, name)!r}.", hint=f"Set it to one of: {', '.join(words)}.", id="tenants.E003"
        )
        for name, words in known.items()
        if getattr(settings, name) not in words
    ]


@register(Tags.models)
def sealed_columns_are_registered(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    from django.apps import apps

    from tenants.sealing.registry import unregistered

    return [
        Error(
            f"{column} holds bytes, and no rotation of keys knows of it.",
            hint="Register it in its app's sealed_columns.py.",
            id="tenants.E004",
        )
        for column in unregistered(list(apps.get_models()))
    ]


@register(Tags.security, deploy=True)
def staff_need_a_second_factor(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    if settings.STAFF_MFA_REQUIRED:
        return []
    hint = "Leave STAFF_MFA_REQUIRED unset, and give each operator one with `manage.py second_factor EMAIL`."
    return [Warning("The operators' admin opens to a password alone.", hint=hint, id="tenants.W001")]


@register(Tags.database)
def staff_have_a_second_factor(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Asked by `check --database default` and by `migrate`: the first time, there are no tables yet."""
    from tenants.second_factors import staff_without

    if not settings.STAFF_MFA_REQUIRED or "default" not in (databases or ()):
        return []
    try:
        shut_out = list(staff_without().values_list("email", flat=True))
    except DatabaseError:
        return []
    hint = "Give each of them one with `manage.py second_factor EMAIL`."
    return [
        Warning(f"{email} cannot use the admin without a second factor.", hint=hint, id="tenants.W002")
        for email in shut_out
    ]
