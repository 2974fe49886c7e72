"""Structured logs: one JSON object a line (or plain text for a person), with the request's id and without secrets."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any

import structlog

from tenants.request_id import current_request_id

Event = MutableMapping[str, Any]

HIDDEN = "[hidden]"
_SECRET_NAMES = re.compile(r"authorization|cookie|passw|secret|token$|api_?key$|credential|session", re.IGNORECASE)
_SECRET_VALUES = (
    (re.compile(r"\bmyd_[a-z]+_[A-Za-z0-9_]+"), "myd_" + HIDDEN),
    (re.compile(r"\b(Bearer|Basic)\s+[^\s\"',}]+", re.IGNORECASE), rf"\1 {HIDDEN}"),
    (re.compile(r"\bsk-[A-Za-z0-9_-]{8,}"), "sk-" + HIDDEN),
    (re.compile(r"(/invitations/)[^/\s?]+"), rf"\1{HIDDEN}"),
    (re.compile(r"(://)[^/\s:@]*:[^/\s@]+@"), rf"\1{HIDDEN}@"),
)


def bind_request(_logger: Any, _method: str, event: Event) -> Event:
    request_id = current_request_id()
    if request_id:
        event.setdefault("request_id", request_id)
    return event


def hide_secrets(_logger: Any, _method: str, event: Event) -> Event:
    """The last processor before rendering: whatever a library put into a message goes through here."""
    for name, value in event.items():
        if _SECRET_NAMES.search(name):
            event[name] = HIDDEN
        elif isinstance(value, str):
            event[name] = without_secrets(value)
    return event


def without_secrets(text: str) -> str:
    for pattern, instead in _SECRET_VALUES:
        text = pattern.sub(instead, text)
    return text


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    bind_request,
]


def logging_config(*, level: str, form: str) -> dict[str, Any]:
    """Django's LOGGING. `form` is `json` or `plain`. structlog and the standard library end in the same handler."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    to_root = {"handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "event": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": [*_SHARED, structlog.stdlib.ExtraAdder(allow=["status_code"])],
                "processors": _rendering(form),
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "event"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": to_root,
            "django.server": to_root,
            "uvicorn": to_root,
            "uvicorn.error": to_root,
            "uvicorn.access": {**to_root, "level": "WARNING"},  # its lines hold query strings; see config.access_log
            "celery": to_root,
            "celery.worker.strategy": {**to_root, "level": "WARNING"},  # a line for each doorbell, twice
            "celery.app.trace": {**to_root, "level": "WARNING"},
            "celery.beat": {**to_root, "level": "WARNING"},
            "httpx": {**to_root, "level": "WARNING"},  # its lines hold addresses
        },
    }


def _rendering(form: str) -> list[Any]:
    """Tracebacks without locals: those hold whatever was being worked on."""
    renderer = structlog.dev.ConsoleRenderer(colors=False) if form == "plain" else structlog.processors.JSONRenderer()
    return [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        hide_secrets,
        renderer,
    ]
