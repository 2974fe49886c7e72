"""The codes of a validation's steps, each with the remedy that docs/diagnosis.md explains. Jobs end with them too."""

from __future__ import annotations

from typing import Final

from tenants.codes import define

define("ok", 200, "All is well.")
define(
    "destination_forbidden",
    400,
    "The platform's address policy does not let this address be dialled.",
    remedy="Ask the operator to allow the address and port (EGRESS_ALLOW, or a grant in the admin), or give the server "
    "an address that is allowed. Plain http is possible only at addresses an operator has allowed.",
)
define(
    "dns_failed",
    502,
    "The host name does not resolve.",
    whose="upstream",
    retryable=True,
    remedy="Check the spelling. The name is resolved by the worker: a compose service name works only if the worker "
    "is on the same network, and .local names rarely work in containers. An IP address always does.",
)
define(
    "connection_refused_loopback",
    502,
    "Nothing listens on localhost as seen from the worker.",
    whose="upstream",
    retryable=True,
    remedy="Inside a container localhost is the container itself: use the host's LAN address, host.docker.internal, "
    "or the compose service name, and start LocalAI on 0.0.0.0.",
)
define(
    "connection_refused",
    502,
    "The host is there, but nothing listens on this port.",
    whose="upstream",
    retryable=True,
    remedy="Check that the server is running, that the port is right, and that it listens on 0.0.0.0 and not only on "
    "its own localhost. From the worker's network, curl the address with /readyz added.",
)
define(
    "connect_timeout",
    504,
    "The host did not answer within the connect timeout.",
    whose="upstream",
    retryable=True,
    remedy="The address is permitted by the platform's policy, so packets are lost on the way: look for a firewall, "
    "a host that is off, or an address of another network.",
)
define(
    "tls_wrong_version",
    502,
    "The server does not speak TLS on this port.",
    whose="upstream",
    remedy="LocalAI serves plain HTTP: use http:// in the address, or put a TLS reverse proxy before it.",
)
define(
    "tls_untrusted",
    502,
    "The server's certificate is not trusted.",
    whose="upstream",
    remedy="Use a certificate for this host name from an authority the platform trusts, or have the operator add your "
    "own authority to the trusted ones. As a last resort on a network you trust, set verify_tls to false.",
)
define(
    "web_page_not_api",
    502,
    "The address serves a web page, not the API.",
    whose="upstream",
    remedy="Give the address of the API itself. A login proxy, another application on the port, LocalAI's own web "
    "interface, or a federated balancer without nodes answers with a page.",
)
define(
    "path_not_found",
    502,
    "The server answers, but has no API at this path.",
    whose="upstream",
    remedy="Give the server's root, such as http://192.168.1.100:8080: /v1 is added by itself and must not stand "
    "twice. Behind a reverse proxy with a path prefix, give the prefix without /v1. Also check the kind.",
)
define(
    "auth_failed",
    502,
    "The server refused the API key.",
    whose="upstream",
    remedy="Set the server's API key in the credentials (for LocalAI, LOCALAI_API_KEY or API_KEY), check it for a "
    "missing character or a space, then validate again.",
)
define(
    "permission_denied",
    502,
    "The key is right, but may not do this.",
    whose="upstream",
    remedy="Give the key's user the right to this model or feature on the server, or use another key. What needs an "
    "admin key goes into admin_api_key.",
)
define(
    "model_not_found",
    404,
    "There is no model of this name.",
    remedy="Use a name from the model list, letter for letter: on LocalAI it is the name in the model's YAML, not the "
    "file's name. GET /v1/models lists what can be called.",
)
define(
    "backend_not_installed",
    502,
    "The server lacks the backend this model needs.",
    whose="upstream",
    remedy="Install the backend on the server (local-ai backends install NAME, or the Backends page), or correct "
    "backend: in the model's YAML.",
)
define(
    "backend_start_failed",
    502,
    "The model's backend did not come up in time.",
    whose="upstream",
    retryable=True,
    remedy="Look at the server's log. A slow disk needs a larger grpc.attempts in the model's YAML; a backend that "
    "dies at once lacks memory or was built for another CPU.",
)
define(
    "backend_crashed",
    502,
    "The model's backend died on the server.",
    whose="upstream",
    retryable=True,
    remedy="Most often memory ran out: use a smaller model, quantisation or context_size, or keep one model loaded at "
    "a time (max active backends 1). Look at the server's log for the backend's last lines.",
)
define(
    "model_file_unusable",
    502,
    "The server could not load the model's file with any backend.",
    whose="upstream",
    remedy="Write a YAML with backend: for the model, and check that the file is complete and of a format that "
    "backend reads.",
)
define(
    "first_token_timeout",
    504,
    "No answer came within the first-token timeout.",
    whose="upstream",
    retryable=True,
    remedy="A cold model loads inside its first request, which can take minutes: validate again once it is loaded, "
    "warm it up, or raise first_token_timeout_seconds.",
)
define(
    "stalled",
    504,
    "The server took the request and then fell silent.",
    whose="upstream",
    retryable=True,
    remedy="The backend is stuck, or waits behind another request: restart it on the server, let LocalAI's busy "
    "watchdog end such requests, and lower max_concurrency to what the server can do at once.",
)
define(
    "error_in_stream",
    502,
    "The server reported an error inside the stream, or cut it.",
    whose="upstream",
    retryable=True,
    remedy="The server's words are in the evidence; its log says more. LocalAI sends every failure of a streamed call "
    "this way, with status 200.",
)
define(
    "empty_stream",
    502,
    "The stream ended without any content.",
    whose="upstream",
    retryable=True,
    remedy="Old LocalAI versions hide failures in an empty stream: look at the server's log, and update LocalAI.",
)
define(
    "context_length_exceeded",
    400,
    "The input and the tokens asked for do not fit the model's context.",
    remedy="Shorten the input or lower max_tokens; or raise context_size in the model's YAML on the server.",
)
define(
    "model_type_mismatch",
    400,
    "The model cannot do what its type promises.",
    remedy="Set the entry's type to what the server reports for the model. A LocalAI embedding model needs "
    "embeddings: true in its YAML.",
)
define(
    "dimensions_changed",
    502,
    "The embedding's vectors have another length than before.",
    whose="upstream",
    remedy="Another model answers under this name, or its pooling changed. Restore it, or make a new entry and embed "
    "the stored texts again: old and new vectors cannot be compared.",
)
define(
    "model_loading",
    503,
    "The server is loading the model.",
    whose="upstream",
    retryable=True,
    remedy="Wait as long as Retry-After says, then try again. Warming the model up avoids the wait.",
)
define(
    "overloaded",
    503,
    "The server turned the request away: it is at capacity or cooling down.",
    whose="upstream",
    retryable=True,
    remedy="Try again after Retry-After. If it happens often, lower max_concurrency or raise the server's limits. "
    "LocalAI also rests a model after a failed load: its log tells why.",
)
define(
    "body_too_large",
    413,
    "The server does not take a request of this size.",
    remedy="Send less at once: embed in smaller batches, shrink files. LocalAI's limit is LOCALAI_UPLOAD_LIMIT "
    "(15 MB); a reverse proxy before it may have its own.",
)
define(
    "bad_response",
    502,
    "The server's answer is not of the shape the API promises.",
    whose="upstream",
    retryable=True,
    remedy="Check that the kind is right and that nothing between alters the answers. The excerpt in the evidence "
    "shows what came.",
)

DIAGNOSES: Final = (
    "ok",
    "destination_forbidden",
    "dns_failed",
    "connection_refused_loopback",
    "connection_refused",
    "connect_timeout",
    "tls_wrong_version",
    "tls_untrusted",
    "web_page_not_api",
    "path_not_found",
    "auth_failed",
    "permission_denied",
    "model_not_found",
    "backend_not_installed",
    "backend_start_failed",
    "backend_crashed",
    "model_file_unusable",
    "first_token_timeout",
    "stalled",
    "error_in_stream",
    "empty_stream",
    "context_length_exceeded",
    "model_type_mismatch",
    "dimensions_changed",
    "model_loading",
    "overloaded",
    "body_too_large",
    "bad_response",
)
