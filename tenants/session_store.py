"""SESSION_ENGINE: Django's sessions in the database, under a digest of their key.

allauth's `X-Session-Token` is the session key itself. Whoever reads the table must not be able to log in with it.
"""

from __future__ import annotations

import hashlib
from typing import Any

from django.contrib.sessions.backends.db import SessionStore as DatabaseSessions
from django.contrib.sessions.base_session import AbstractBaseSession
from django.contrib.sessions.models import Session
from django.utils import timezone

COLUMN_LENGTH = 40


def stored_name(session_key: str) -> str:
    """What the table calls this session: 160 bits of SHA-256."""
    return hashlib.sha256(session_key.encode()).hexdigest()[:COLUMN_LENGTH]


class SessionStore(DatabaseSessions):
    def _get_session_from_db(self) -> Session | None:
        assert self.session_key is not None
        live = Session.objects.filter(session_key=stored_name(self.session_key), expire_date__gt=timezone.now())
        row = live.first()
        if row is None:
            self._session_key = None
        return row

    def exists(self, session_key: str) -> bool:
        return super().exists(stored_name(session_key))

    def create_model_instance(self, data: dict[str, Any]) -> AbstractBaseSession:
        row = super().create_model_instance(data)
        row.session_key = stored_name(row.session_key)
        return row

    def delete(self, session_key: str | None = None) -> None:
        session_key = session_key or self.session_key
        if session_key is not None:
            Session.objects.filter(session_key=stored_name(session_key)).delete()
