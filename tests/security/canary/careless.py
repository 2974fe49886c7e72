"""What careless code might do one day, done in every observed process: log whole objects, fail with secrets at hand.

None of these lines names a secret, so each must stay harmless: objects hide what they hold, tracebacks show no values.
"""

from __future__ import annotations

import logging
from types import ModuleType
from typing import Any

from tests.security.canary.after_import import Change, wrapped

FORCED = "forced-failure"  # a name that makes our own code fail

log = logging.getLogger("careless")


def _shows(*names: str) -> Change:
    """Log what these functions are given by position, and what they give."""

    def show(original: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        shown = [value for value in (*args, result) if not isinstance(value, str | bytes | dict)]
        log.debug("%s: %r", original.__name__, shown)
        return result

    def change(module: ModuleType) -> None:
        for name in names:
            wrapped(module, name, show)

    return change


def _fails_to_resolve(module: ModuleType) -> None:
    _shows("provider_target", "form_target", "resolve")(module)

    def fail(original: Any, *args: Any, **kwargs: Any) -> Any:
        target = original(*args, **kwargs)
        headers = target.headers
        if FORCED in args:
            raise RuntimeError(f"forced failure with {len(headers)} headers")
        return target

    wrapped(module, "resolve", fail)


def _fails_to_register(module: ModuleType) -> None:
    def fail(original: Any, *args: Any, **kwargs: Any) -> Any:
        secrets = kwargs.get("credentials")
        if kwargs.get("name") == FORCED:
            raise RuntimeError(f"forced failure with {len(secrets or ())} secrets")
        return original(*args, **kwargs)

    wrapped(module, "register_provider", fail)


def _fails_to_attempt(module: ModuleType) -> None:
    def fail(original: Any, *args: Any, **kwargs: Any) -> Any:
        if any(isinstance(content, dict) and content.get("user") == FORCED for content in args):
            raise RuntimeError("forced failure inside a worker")
        return original(*args, **kwargs)

    wrapped(module, "request_body", fail)


CHANGES: dict[str, Change] = {
    "providers.forms": _shows("check_form"),
    "providers.jobs.attempt": _fails_to_attempt,
    "providers.jobs.new_job": _shows("insert"),
    "providers.jobs.settlement": _shows("settle_all"),
    "providers.registration": _fails_to_register,
    "providers.routing": _fails_to_resolve,
    "tenants.authentication": _shows("identify"),
    "tenants.tokens": _shows("mint", "parse"),
}
