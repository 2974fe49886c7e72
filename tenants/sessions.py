"""The person behind a session, read only: a stream cannot send a new cookie, so nothing is cycled or flushed here.

Both the session cookie and allauth's `X-Session-Token` name a row of the session table. A login that still waits
for its second factor has no user in it yet, and so gives nobody.
"""

from __future__ import annotations

from importlib import import_module

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import ValidationError
from django.utils.crypto import constant_time_compare

from tenants.models import User

TOKEN_MAX_LENGTH = 64


def user_of_session(session_key: str) -> User | None:
    """The active user who is logged in under this key, or None."""
    if not session_key or len(session_key) > TOKEN_MAX_LENGTH or not session_key.isascii():
        return None
    session: SessionBase = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user_id = session.get(SESSION_KEY)
    if user_id is None or session.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return None
    try:
        user = User.objects.filter(pk=user_id, is_active=True).first()
    except ValidationError:  # not an id of ours
        return None
    return user if user is not None and _password_unchanged(user, session) else None


def _password_unchanged(user: User, session: SessionBase) -> bool:
    offered = session.get(HASH_SESSION_KEY) or ""
    accepted = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    return any(constant_time_compare(offered, right) for right in accepted)
