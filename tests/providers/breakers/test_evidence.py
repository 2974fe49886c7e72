"""What the end of a call shows: the box's fault, the model's, or nobody's here."""

import pytest

from providers.breakers.evidence import shown_by
from providers.errors import (
    BackendFailed,
    BrokenOff,
    CallerError,
    ContextOverflow,
    CredentialRejected,
    DestinationForbidden,
    Malformed,
    ModelLoading,
    Overloaded,
    PermissionDenied,
    SecretUnreadable,
    ServerFailed,
    TimedOut,
    UnknownModel,
    Unreachable,
)

BOX = (False, None)
MODEL = (True, False)
ALIVE = (True, None)
NOTHING = (None, None)


def cut(reason):
    return Malformed(evidence={"fault": reason})


CASES = [
    (Unreachable("connection_refused"), BOX),
    (Unreachable("dns_failed"), BOX),
    (Unreachable("tls_untrusted"), BOX),
    (TimedOut("connect"), BOX),
    (cut("closed"), BOX),
    (cut("reset"), BOX),
    (cut("unsent"), BOX),
    (cut("cut_short"), MODEL),
    (cut("not_http"), (None, False)),
    (TimedOut("first_token"), (None, False)),
    (TimedOut("idle"), MODEL),
    (TimedOut("total"), NOTHING),
    (BackendFailed("backend_crashed"), MODEL),
    (BackendFailed("backend_not_installed"), MODEL),
    (ServerFailed(), MODEL),
    (BrokenOff(), MODEL),
    (Malformed("web_page_not_api"), MODEL),
    (Malformed("empty_stream"), MODEL),
    (Malformed("path_not_found"), ALIVE),
    (Overloaded(evidence={"status": 502}), MODEL),
    (Overloaded(evidence={"status": 503}, retry_after_seconds=4.0), ALIVE),
    (Overloaded(evidence={"status": 429}), ALIVE),
    (ModelLoading(), ALIVE),
    (CredentialRejected(), ALIVE),
    (PermissionDenied(), ALIVE),
    (CallerError("invalid_request"), ALIVE),
    (ContextOverflow(), ALIVE),
    (UnknownModel(), ALIVE),
    (DestinationForbidden(), NOTHING),
    (SecretUnreadable(), NOTHING),
]


@pytest.mark.parametrize(("error", "shown"), CASES, ids=[f"{error!r}" for error, _ in CASES])
def test_the_end_of_a_call_shows(error, shown):
    assert shown_by(error) == shown
