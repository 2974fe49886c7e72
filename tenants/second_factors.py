"""Second factors as operators see them: who of the staff has one, and how to give one to whom cannot get in."""

from __future__ import annotations

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret, validate_totp_code
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from tenants.models import User


def staff() -> QuerySet[User]:
    """Active operators."""
    return User.objects.filter(is_staff=True, is_active=True).order_by("email")


def staff_without() -> QuerySet[User]:
    return staff().exclude(Exists(Authenticator.objects.filter(user=OuterRef("pk"))))


def has_one(user: User) -> bool:
    return bool(Authenticator.objects.filter(user=user).exists())


def new_secret() -> str:
    return str(generate_totp_secret())


def address_of(user: User, secret: str) -> str:
    """`otpauth://…`, which authenticator apps read from a QR code."""
    return str(get_adapter().build_totp_url(user, secret))


def shows(secret: str, code: str) -> bool:
    """Whether an app that holds the secret shows this code now."""
    return bool(validate_totp_code(secret, code))


def enrol(user: User, secret: str) -> list[str]:
    """Make this the person's only second factor, sealed, and give their new recovery codes."""
    with transaction.atomic():
        remove(user)
        TOTP.activate(user, secret)
        codes: list[str] = RecoveryCodes.activate(user).get_unused_codes()
    return codes


def remove(user: User) -> bool:
    """Leave the password alone. True where there was something to take away."""
    return bool(Authenticator.objects.filter(user=user).delete()[0])
