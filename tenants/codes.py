"""One catalogue of every code that a caller can meet, on both planes, in validation and in jobs.

A code is a promise: its status, whose fault it is and what to do next never change within v1. Each module that
raises codes defines them here through `define` when it is imported; docs/errors.md is generated from the result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Whose = Literal["caller", "upstream", "platform"]


@dataclass(frozen=True, slots=True)
class Code:
    code: str
    status: int
    title: str
    whose: Whose
    retryable: bool
    remedy: str


CATALOGUE: dict[str, Code] = {}


def define(
    code: str, status: int, title: str, *, whose: Whose = "caller", retryable: bool = False, remedy: str = ""
) -> Code:
    """Put a code into the catalogue. Raises ValueError when it already stands there with another meaning."""
    entry = Code(code, status, title, whose, retryable, remedy)
    if CATALOGUE.setdefault(code, entry) != entry:
        raise ValueError(f"The code {code!r} is defined twice with different meanings.")
    return entry


# --- What was sent ---
define(
    "invalid_request",
    400,
    "The request is not valid.",
    remedy="Correct the fields named in `errors`, then send it again.",
)
define(
    "unknown_field",
    400,
    "The body holds a field that is not known here.",
    remedy="Remove the fields named in `errors`.",
)
define(
    "malformed_json",
    400,
    "The body is not valid JSON.",
    remedy="Send one UTF-8 JSON object without NaN, NUL or repeated names.",
)
define("invalid_parameter", 400, "A query parameter is not valid.", remedy="Correct the parameters named in `errors`.")
define(
    "cursor_invalid", 400, "The cursor is not one of ours.", remedy="Start again from the first page, without a cursor."
)
define(
    "idempotency_key_invalid",
    400,
    "The Idempotency-Key is not valid.",
    remedy="Send 1 to 255 printable ASCII characters.",
)
define(
    "person_unknown",
    400,
    "No account has this email address.",
    remedy="Ask the person to sign up first, then add them.",
)
define(
    "request_timeout",
    408,
    "The body did not arrive in time.",
    retryable=True,
    remedy="Send the request again on a faster line.",
)
define("request_too_large", 413, "The body is too large.", remedy="Send a smaller body.")
define(
    "unsupported_media_type",
    415,
    "The body's media type is not supported.",
    remedy="Send `Content-Type: application/json`.",
)
define("not_acceptable", 406, "No answer matches the Accept header.", remedy="Accept `application/json`.")
define(
    "method_not_allowed",
    405,
    "This address does not take this method.",
    remedy="Use one of the methods in the Allow header.",
)

define(
    "host_not_allowed",
    400,
    "The Host header names no host of this installation.",
    remedy="Use the address that the operator published, or have it added to ALLOWED_HOSTS.",
)
define("https_required", 400, "This installation answers over https only.", remedy="Use the https address.")

# --- Who is asking ---
define(
    "authentication_failed",
    401,
    "The credential is missing, wrong, expired or revoked.",
    remedy="Send `Authorization: Bearer <api key>`, or log in and send the session.",
)
define("insufficient_scope", 403, "The right for this is missing.", remedy="Use a key or a role that holds the scope.")
define(
    "person_required",
    403,
    "Only a logged-in person may do this.",
    remedy="Log in and do it as a person, not with an API key.",
)
define("owner_required", 403, "Only an owner of the tenant may do this.", remedy="Ask an owner of the tenant.")
define("staff_required", 403, "Only the platform's staff may do this.", remedy="Ask the operator of this installation.")
define(
    "csrf_failed",
    403,
    "The CSRF token is missing or wrong.",
    remedy="Send the csrftoken cookie's value as `X-CSRFToken`.",
)
define("tenant_suspended", 403, "The tenant is suspended.", remedy="Ask the operator of this installation.")
define(
    "address_not_allowed",
    403,
    "The key may not be used from this address.",
    remedy="Use it from an address in its allowed_cidrs.",
)

# --- What is there ---
define(
    "not_found",
    404,
    "There is nothing here for you.",
    remedy="Check the id, the tenant and that you are a member of it.",
)
define("conflict", 409, "This clashes with what is there.", remedy="Read the object again, then decide.")
define("slug_taken", 409, "Another tenant has this slug.", remedy="Choose another slug.")
define("name_taken", 409, "Another one has this name already.", remedy="Choose another name.")
define("already_member", 409, "This person is a member already.", remedy="Change the role of the membership instead.")
define(
    "already_invited",
    409,
    "This address has an open invitation.",
    remedy="Withdraw the open invitation to send another one.",
)
define("last_owner", 409, "A tenant must keep at least one owner.", remedy="Make another member owner first.")
define(
    "in_use",
    409,
    "Other things depend on this.",
    remedy="Look at `impact`; add `?cascade=true` to remove them with it.",
)
define(
    "idempotency_in_progress",
    409,
    "The first request with this Idempotency-Key is still running.",
    retryable=True,
    remedy="Wait, then send the same request again.",
)
define(
    "precondition_failed",
    412,
    "The object has changed since you read it.",
    remedy="Read it again, then repeat the change with its new ETag.",
)
define(
    "idempotency_key_reused",
    422,
    "This Idempotency-Key came with another body before.",
    remedy="Use a new key for a new request.",
)

# --- What happened here ---
define("rate_limit_exceeded", 429, "Too many requests.", retryable=True, remedy="Wait for the seconds in Retry-After.")
define(
    "internal_error",
    500,
    "Something failed on our side.",
    whose="platform",
    retryable=True,
    remedy="Try again; if it stays, tell the operator the request_id.",
)
define(
    "unavailable",
    503,
    "A part of the platform is not there right now.",
    whose="platform",
    retryable=True,
    remedy="Try again in a few seconds.",
)
