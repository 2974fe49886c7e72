"""Every code of providers beside those of a diagnosis. Clients branch on codes: within v1 they never change.

`DATA_PLANE` says which code `/v1` shows for what happened further inside.
"""

from __future__ import annotations

from typing import Final

from tenants.codes import define

# --- How a job can end besides ---
define(
    "deadline_exceeded",
    504,
    "The job's deadline passed before it ended.",
    remedy="Submit it again with a later deadline_seconds, or at a quieter time.",
)
define(
    "worker_lost",
    500,
    "The workers that ran this job died.",
    whose="platform",
    retryable=True,
    remedy="Submit the job again. If it ends so again, tell the operator its id.",
)
define(
    "cancelled",
    409,
    "The work was cancelled.",
    remedy="Submit it again if it is still wanted.",
)

# --- The data plane ---
define(
    "invalid_api_key",
    401,
    "The API key is missing, wrong, expired or revoked.",
    remedy="Send Authorization: Bearer with a key of this platform, not one of the model server.",
)
define(
    "model_disabled",
    403,
    "This model, or its provider, is switched off.",
    remedy="Enable the model and its provider, or use another model.",
)
define(
    "provider_auth_failed",
    502,
    "The model server refused the credential stored for it.",
    whose="upstream",
    remedy="An owner of the provider replaces its credential and validates it again.",
)
define(
    "provider_unreachable",
    502,
    "The model server cannot be reached.",
    whose="upstream",
    retryable=True,
    remedy="Validate the provider: its diagnosis says what stands in the way.",
)
define(
    "provider_bad_response",
    502,
    "The model server's answer cannot be used.",
    whose="upstream",
    retryable=True,
    remedy="Validate the provider at level infer: its diagnosis says what came back.",
)
define(
    "provider_error",
    502,
    "The model server failed.",
    whose="upstream",
    retryable=True,
    remedy="Validate the provider at level infer, and look at the model server's log.",
)
define(
    "provider_cooling_down",
    503,
    "The model server rests after failures, or is at capacity.",
    whose="upstream",
    retryable=True,
    remedy="Try again after Retry-After, or submit a job, which waits by itself.",
)
define(
    "queue_full",
    429,
    "Too much of this tenant's work is waiting already.",
    retryable=True,
    remedy="Wait for some of it to end, then try again.",
)
define(
    "budget_exceeded",
    429,
    "The budget of this window is spent.",
    remedy="Wait for the next window, or ask an admin to raise the budget.",
)
define(
    "timeout",
    504,
    "The call took longer than its total timeout.",
    whose="upstream",
    retryable=True,
    remedy="Ask for fewer tokens, or raise the provider's total_timeout_seconds.",
)
define(
    "call_loop",
    508,
    "This call was made by this platform itself.",
    remedy="A provider's address points back at this platform: give it the address of a model server.",
)
define(
    "operation_not_available",
    400,
    "This operation is not available.",
    remedy="Use one of the operations of the API's document.",
)

# --- Registering providers, credentials and models ---
define("kind_unknown", 400, "There is no provider kind of this name.", remedy="GET /api/v1/provider-kinds lists them.")
define(
    "url_malformed",
    400,
    "This is not a usable server address.",
    remedy="Write scheme, host and port, such as http://192.168.1.100:8080.",
)
define(
    "url_scheme_unsupported",
    400,
    "Only http and https addresses can be used.",
    remedy="Begin the address with http:// or https://.",
)
define(
    "url_has_credentials",
    400,
    "The address holds a user name or password.",
    remedy="Leave them out of the address, and put the key into the credentials: there it is sealed.",
)
define(
    "url_bind_address",
    400,
    "0.0.0.0 and [::] tell a server where to listen; they cannot be called.",
    remedy="Use the server's own address, such as http://192.168.1.100:8080.",
)
define(
    "header_forbidden",
    400,
    "This header may not be set by hand.",
    remedy="Leave out Host, Authorization, Cookie, x-api-key and hop-by-hop headers; keys belong into credentials.",
)
define(
    "secret_looks_masked",
    400,
    "This looks like the mask of a secret, not like a secret.",
    remedy="Leave the field out to keep the stored value, or send the whole new value.",
)
define(
    "credentials_required_for_new_origin",
    400,
    "The address moves to another origin, and its secrets were entered for the old one.",
    remedy="Send each secret anew in the same request: its value, or null to clear it.",
)
define(
    "undecryptable",
    409,
    "The stored credential cannot be opened.",
    whose="platform",
    remedy="Enter the credential anew. The operator checks that the keyring holds every key it ever had.",
)
define(
    "discovery_missing",
    409,
    "This provider's models have not been listed yet.",
    remedy="Run a discovery, or a validation of level models, then import.",
)
define(
    "provider_disabled",
    409,
    "The provider is switched off.",
    remedy="Enable the provider first.",
)

# --- Jobs and their events ---
define("job_not_finished", 409, "The job has not ended.", remedy="Cancel it, wait for its end, then delete it.")
define("job_not_dead", 409, "The job is not dead.", remedy="Submit it again: only dead jobs are started anew.")
define("job_redriven", 409, "The job was started anew before.", remedy="Look at the job that took its place.")
define("job_content_gone", 409, "What the job asked has been erased.", remedy="Its tenant submits it again.")

DATA_PLANE: Final[dict[str, str]] = {
    "destination_forbidden": "provider_unreachable",
    "dns_failed": "provider_unreachable",
    "connection_refused_loopback": "provider_unreachable",
    "connection_refused": "provider_unreachable",
    "connect_timeout": "provider_unreachable",
    "tls_wrong_version": "provider_unreachable",
    "tls_untrusted": "provider_unreachable",
    "web_page_not_api": "provider_bad_response",
    "path_not_found": "provider_bad_response",
    "bad_response": "provider_bad_response",
    "empty_stream": "provider_bad_response",
    "auth_failed": "provider_auth_failed",
    "permission_denied": "provider_auth_failed",
    "undecryptable": "provider_auth_failed",
    "backend_not_installed": "provider_error",
    "backend_start_failed": "provider_error",
    "backend_crashed": "provider_error",
    "model_file_unusable": "provider_error",
    "error_in_stream": "provider_error",
    "dimensions_changed": "provider_error",
    "worker_lost": "provider_error",
    "first_token_timeout": "timeout",
    "stalled": "timeout",
    "deadline_exceeded": "timeout",
    "overloaded": "provider_cooling_down",
    "body_too_large": "request_too_large",
    "provider_disabled": "model_disabled",
}

# A job tells of its attempts in the codes of validation, which know no total time.
JOBS: Final[dict[str, str]] = {"timeout": "stalled"}
