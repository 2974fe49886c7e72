"""Passwords are hashed slowly on purpose, so only a few at once: a storm of logins must leave threads for all others.

Whoever finds no place is told to come back in a moment (503 with Retry-After), before any work is done for them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher, PBKDF2PasswordHasher

from tenants.problems import Problem

PATIENCE_SECONDS = 10.0  # for a place to become free; a hash takes below a second
RETRY_SECONDS = 2


class Places:
    """`at_once` hash, as many again wait; with those, at most half of the web process's threads are taken."""

    def __init__(self, *, at_once: int, threads: int) -> None:
        most = max(1, threads // 2)
        self.free = min(2 * at_once, most)
        self._counting = threading.Lock()
        self._hashing = threading.BoundedSemaphore(min(at_once, most))
        self._held = threading.local()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Raises Problem `unavailable`. A hasher that calls itself keeps its place."""
        if getattr(self._held, "place", False):
            yield
            return
        with self._in_line(), self._hash():
            self._held.place = True
            try:
                yield
            finally:
                self._held.place = False

    @contextmanager
    def _in_line(self) -> Iterator[None]:
        with self._counting:
            if not self.free:
                raise _come_back()
            self.free -= 1
        try:
            yield
        finally:
            with self._counting:
                self.free += 1

    @contextmanager
    def _hash(self) -> Iterator[None]:
        if not self._hashing.acquire(timeout=PATIENCE_SECONDS):
            raise _come_back()
        try:
            yield
        finally:
            self._hashing.release()


def _come_back() -> Problem:
    detail = "Many people are logging in at this moment."
    return Problem("unavailable", detail, headers={"Retry-After": str(RETRY_SECONDS)})


@lru_cache(maxsize=1)
def places() -> Places:
    return Places(at_once=settings.PASSWORD_HASHES_AT_ONCE, threads=settings.WEB_THREADS)


class FewAtOnce:
    """Put in front of a hasher of Django's."""

    def encode(self, *args: Any, **options: Any) -> Any:
        with places().place():
            return super().encode(*args, **options)  # type: ignore[misc]

    def verify(self, *args: Any, **options: Any) -> Any:
        with places().place():
            return super().verify(*args, **options)  # type: ignore[misc]


class Argon2(FewAtOnce, Argon2PasswordHasher):
    pass


class PBKDF2(FewAtOnce, PBKDF2PasswordHasher):
    """For passwords that came from elsewhere; each is hashed anew at its owner's next login."""
