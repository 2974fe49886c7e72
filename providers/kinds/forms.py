"""The part of every kind's form that is the same: the settings, their bounds and their words."""

from __future__ import annotations

from typing import Any, Final

SCHEMA: Final = "https://json-schema.org/draft/2020-12/schema"

LOCALHOST_WARNING: Final = (
    "Inside a container localhost is the container itself. If this platform runs in Docker, write the host's LAN "
    "address, host.docker.internal, or the compose service name, and start the server on 0.0.0.0."
)

CONDITIONS: Final[list[dict[str, Any]]] = [
    {"if": {"base_url": {"pattern": "^https:"}}, "show": ["settings.verify_tls"]},
    {
        "if": {"base_url": {"pattern": r"^https?://(localhost|127\.|\[::1\])"}},
        "warn": {"field": "base_url", "text": LOCALHOST_WARNING},
    },
]


def _seconds(title: str, description: str, default: float, maximum: int) -> dict[str, Any]:
    bounds = {"type": "number", "exclusiveMinimum": 0, "maximum": maximum}
    return {**bounds, "default": default, "title": title, "description": description}


TIMEOUTS: Final[dict[str, dict[str, Any]]] = {
    "connect_timeout_seconds": _seconds(
        "Connect timeout", "Seconds until the connection must stand, name and TLS included.", 5, 60
    ),
    "first_token_timeout_seconds": _seconds(
        "First-token timeout",
        "Seconds from the request to the first token of a stream. A cold model loads within it.",
        300,
        3600,
    ),
    "idle_timeout_seconds": _seconds("Idle timeout", "Seconds of silence a begun stream may have.", 60, 3600),
    "total_timeout_seconds": _seconds("Total timeout", "Seconds a whole call may take.", 1800, 86400),
}


def model_settings_schema() -> dict[str, Any]:
    """The schema of a model entry's `settings`: deadlines of its own. Null, or left out: the provider's."""
    own = {name: {**facts, "type": ["number", "null"], "default": None} for name, facts in TIMEOUTS.items()}
    return {"$schema": SCHEMA, "type": "object", "properties": own, "additionalProperties": False}


def settings_schema(default_max_concurrency: int | None) -> dict[str, Any]:
    """The schema of a provider's `settings`; null `max_concurrency` means no figure of its own."""
    properties: dict[str, Any] = {
        **TIMEOUTS,
        "max_concurrency": {
            "type": ["integer", "null"],
            "minimum": 1,
            "maximum": 1024,
            "default": default_max_concurrency,
            "title": "Requests at once",
            "description": "How many requests the server can work on at once; more wait here. Empty: no limit.",
        },
        "verify_tls": {
            "type": "boolean",
            "default": True,
            "title": "Verify the certificate",
            "description": "Switch off only on a network you trust: anybody in between could read the key.",
        },
        "extra_headers": {
            "type": "object",
            "additionalProperties": {"type": "string", "maxLength": 4096},
            "maxProperties": 32,
            "default": {},
            "title": "Extra headers",
            "description": "Sent with every call. Host, Authorization, Cookie, x-api-key and hop-by-hop headers may "
            "not be set; keys belong into the credentials, where they are sealed.",
        },
    }
    return {"$schema": SCHEMA, "type": "object", "properties": properties, "additionalProperties": False}
