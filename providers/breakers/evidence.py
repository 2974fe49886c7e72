"""What the end of a call shows of the box, and of the model behind it. Pure.

Any HTTP answer shows that the box is alive. What the caller brought about shows nothing of the model: nobody can send a
model to rest by asking for what it cannot do.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from providers.errors import (
    BackendFailed,
    BrokenOff,
    CallerError,
    CredentialRejected,
    Malformed,
    ModelLoading,
    Overloaded,
    PermissionDenied,
    ProviderError,
    ServerFailed,
    TimedOut,
    Unreachable,
    UpstreamError,
)

_CUT_BEFORE_THE_STATUS: Final = frozenset({"unsent", "closed", "reset"})  # reasons of upstream/http1.py
_OF_ANOTHER_SERVER: Final = frozenset({"not_http", "head_too_large"})
_ANSWERS: Final = (CallerError, CredentialRejected, PermissionDenied, ModelLoading)
_FAILURES: Final = (BackendFailed, ServerFailed, BrokenOff)


class Shown(NamedTuple):
    """True: well. False: at fault. None: the call does not tell."""

    provider: bool | None
    model: bool | None


WELL: Final = Shown(True, True)
NOTHING: Final = Shown(None, None)
_BOX_AT_FAULT: Final = Shown(False, None)
_MODEL_AT_FAULT: Final = Shown(True, False)
_ALIVE: Final = Shown(True, None)


def shown_by(error: ProviderError) -> Shown:
    if isinstance(error, Unreachable):
        return _BOX_AT_FAULT
    if isinstance(error, TimedOut):
        return _shown_by_time(error)
    if isinstance(error, Malformed):
        return _shown_by_answer(error)
    if isinstance(error, Overloaded):
        return _ALIVE if _asks_for_patience(error) else _MODEL_AT_FAULT
    if isinstance(error, _FAILURES):
        return _MODEL_AT_FAULT
    return _ALIVE if isinstance(error, _ANSWERS) else NOTHING


def _shown_by_time(error: TimedOut) -> Shown:
    """The total is the caller's as well: who asks for a long answer may run into it."""
    if error.phase == "connect":
        return _BOX_AT_FAULT
    if error.phase == "first_token":
        return Shown(None, False)
    return _MODEL_AT_FAULT if error.phase == "idle" else NOTHING


def _shown_by_answer(error: Malformed) -> Shown:
    fault = error.evidence.get("fault")
    if fault in _CUT_BEFORE_THE_STATUS:
        return _BOX_AT_FAULT
    if fault in _OF_ANOTHER_SERVER:
        return Shown(None, False)
    return _ALIVE if error.code == "path_not_found" else _MODEL_AT_FAULT  # an operation the server does not have


def _asks_for_patience(error: UpstreamError) -> bool:
    return error.retry_after_seconds is not None or error.evidence.get("status", 0) < 500
