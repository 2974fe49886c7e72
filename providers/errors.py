"""What can go wrong between us and a model server, on one screen. Every class carries `code`, `whose`, `retryable`.

ProviderError                       code, message, retry_after_seconds, evidence; the rest comes from the catalogue
* CallerError                       4xx: who sent the request can mend it
  - FormRefused                     url_*, header_forbidden, secret_looks_masked, kind_unknown, …; `field` names where
  - Conflict                        name_taken, in_use, job_not_finished, …
  - UnknownModel                    model_not_found: no such model of the tenant, or none at the server
  - ModelDisabled                   model_disabled
  - WrongModelType                  model_type_mismatch
  - ContextOverflow                 context_length_exceeded; evidence: requested_tokens, context_size where told
  - BodyTooLarge                    body_too_large
  - LimitReached                    queue_full, rate_limit_exceeded, budget_exceeded; retry_after_seconds
* UpstreamError                     5xx: the provider's owner can mend it; `sent`: the server may have seen the request
  - DestinationForbidden            the address policy refused the resolved address; never dialled
  - Unreachable                     dns_failed, connection_refused(_loopback), tls_*
  - TimedOut(phase)                 connect | first_token | idle | total -> connect_timeout … stalled, timeout
  - CredentialRejected              auth_failed: moves the provider to auth_failed
  - PermissionDenied                permission_denied: the key is right, its rights are not
  - BackendFailed                   backend_not_installed, backend_start_failed, backend_crashed, model_file_unusable
  - ModelLoading                    model_loading; extends the budget instead of spending it
  - Overloaded                      overloaded; retry_after_seconds
  - RestsAfterFailures              provider_cooling_down: we do not call it for a while; retry_after_seconds
  - Malformed                       web_page_not_api, path_not_found, bad_response, empty_stream, dimensions_changed
  - ServerFailed                    bad_response, and provider_error on /v1: a 5xx in words never heard before
  - BrokenOff                       error_in_stream: an error frame, or a stream that ended early
* PlatformError                     ours
  - SecretUnreadable                undecryptable: the stored credential does not open
  - DeadlineExceeded                deadline_exceeded
  - WorkerLost                      worker_lost
  - LostClaim                       another worker took over; ends the attempt quietly, never reaches a client
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal

import providers.diagnosis_codes  # noqa: F401 - it fills the catalogue
from providers.codes import DATA_PLANE, JOBS
from tenants.codes import CATALOGUE, Whose

Phase = Literal["connect", "first_token", "idle", "total"]


class ProviderError(Exception):
    """`message` is for people and holds no secret; `evidence` is JSON-safe facts, capped by whoever collects them."""

    CODE: ClassVar[str] = ""

    def __init__(
        self,
        code: str | None = None,
        message: str | None = None,
        *,
        retry_after_seconds: float | None = None,
        evidence: Mapping[str, Any] | None = None,
    ) -> None:
        self.code = code or self.CODE
        self.message = message or CATALOGUE[self.code].title
        self.retry_after_seconds = retry_after_seconds
        self.evidence = dict(evidence or {})
        super().__init__(self.message)

    @property
    def status(self) -> int:
        return CATALOGUE[self.code].status

    @property
    def whose(self) -> Whose:
        return CATALOGUE[self.code].whose

    @property
    def retryable(self) -> bool:
        return CATALOGUE[self.code].retryable

    @property
    def remedy(self) -> str:
        return CATALOGUE[self.code].remedy

    @property
    def data_plane_code(self) -> str:
        """The code that `/v1` shows for this error."""
        return DATA_PLANE.get(self.code, self.code)

    def as_job_error(self) -> dict[str, Any]:
        """The `error` object of a job."""
        return {
            "code": JOBS.get(self.code, self.code),
            "message": self.message,
            "retryable": self.retryable,
            "whose": self.whose,
            "remedy": self.remedy,
        }

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.code!r}, {self.message!r})"


class CallerError(ProviderError):
    """The request cannot be carried out as it is."""


class FormRefused(CallerError):
    """A value of a form; `field` is its path, such as `base_url` or `settings.extra_headers.Host`."""

    def __init__(self, code: str, message: str | None = None, *, field: str = "", **facts: Any) -> None:
        super().__init__(code, message, **facts)
        self.field = field


class Conflict(CallerError):
    """The thing is not in a state that allows this."""


class UnknownModel(CallerError):
    CODE = "model_not_found"


class ModelDisabled(CallerError):
    CODE = "model_disabled"


class WrongModelType(CallerError):
    CODE = "model_type_mismatch"


class ContextOverflow(CallerError):
    CODE = "context_length_exceeded"


class BodyTooLarge(CallerError):
    CODE = "body_too_large"


class LimitReached(CallerError):
    """A limit of ours; the same request may pass after `retry_after_seconds`."""


class UpstreamError(ProviderError):
    """`sent` is False only where it is proven that the server never saw the request."""

    def __init__(self, code: str | None = None, message: str | None = None, *, sent: bool = True, **facts: Any) -> None:
        super().__init__(code, message, **facts)
        self.sent = sent


class DestinationForbidden(UpstreamError):
    CODE = "destination_forbidden"

    def __init__(self, message: str | None = None, **facts: Any) -> None:
        super().__init__(self.CODE, message, sent=False, **facts)


class Unreachable(UpstreamError):
    """No connection came about, so nothing was sent."""

    def __init__(self, code: str, message: str | None = None, **facts: Any) -> None:
        super().__init__(code, message, **{"sent": False, **facts})


class TimedOut(UpstreamError):
    CODES: Final[dict[Phase, str]] = {
        "connect": "connect_timeout",
        "first_token": "first_token_timeout",
        "idle": "stalled",
        "total": "timeout",
    }

    def __init__(self, phase: Phase, message: str | None = None, **facts: Any) -> None:
        super().__init__(self.CODES[phase], message, **{"sent": phase != "connect", **facts})
        self.phase = phase


class CredentialRejected(UpstreamError):
    CODE = "auth_failed"


class PermissionDenied(UpstreamError):
    CODE = "permission_denied"


class BackendFailed(UpstreamError):
    """The server is well, the process that runs the model is not."""


class ModelLoading(UpstreamError):
    CODE = "model_loading"


class Overloaded(UpstreamError):
    CODE = "overloaded"


class RestsAfterFailures(UpstreamError):
    """A circuit breaker is open: nothing was sent, and nothing is for `retry_after_seconds`."""

    CODE = "provider_cooling_down"

    def __init__(self, message: str | None = None, **facts: Any) -> None:
        super().__init__(self.CODE, message, **{"sent": False, **facts})


class Malformed(UpstreamError):
    CODE = "bad_response"


class ServerFailed(UpstreamError):
    """The server says that it failed, in words that nobody here knows."""

    CODE = "bad_response"

    @property
    def data_plane_code(self) -> str:
        return "provider_error"


class BrokenOff(UpstreamError):
    CODE = "error_in_stream"


class PlatformError(ProviderError):
    """Ours: no detail for the caller, all of it in the log."""


class SecretUnreadable(PlatformError):
    CODE = "undecryptable"


class DeadlineExceeded(PlatformError):
    CODE = "deadline_exceeded"


class WorkerLost(PlatformError):
    CODE = "worker_lost"


class LostClaim(Exception):
    """Another worker holds the row now: stop, and write nothing more."""
