"""A failed step in words: what happened, seen from the worker, and what to do next.

Messages are made here from facts; the remedies are the catalogue's, which docs/diagnosis.md explains. Where the facts
allow a better next step than the general one, it is put before it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from providers.errors import ProviderError


@dataclass(frozen=True)
class Facts:
    """What is known when a step fails. `found` are the names the server lists, empty where not known yet."""

    base_url: str
    label: str  # the kind's
    has_key: bool = False
    addresses: Sequence[str] = ()
    model: str | None = None
    model_type: str | None = None
    found: Sequence[str] = ()

    @property
    def typed(self) -> str:
        """`localhost:8080`: host and port as they stand in the address."""
        parts = urlsplit(self.base_url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"

    @property
    def place(self) -> str:
        """`localhost:8080 (127.0.0.1)`: as typed, and what it resolved to."""
        others = [address for address in self.addresses if address != urlsplit(self.base_url).hostname]
        return f"{self.typed} ({', '.join(others)})" if others else self.typed


@dataclass(frozen=True)
class Diagnosis:
    code: str
    message: str
    remedy: str

    def as_json(self) -> dict[str, str]:
        return {"code": self.code, "message": self.message, "remedy": self.remedy}


def diagnose(error: ProviderError, facts: Facts) -> Diagnosis:
    """The diagnosis of `error` at a target of which `facts` are known. Holds no secret if the error holds none."""
    say = _MESSAGES.get(error.code)
    message = say(facts, error) if say else error.message
    if facts.model and facts.model not in message:
        message = f"{facts.model}: {message}"
    return Diagnosis(error.code, message, _remedy(error, facts))


def _remedy(error: ProviderError, facts: Facts) -> str:
    nearest = nearest_names(facts.model, facts.found) if error.code == "model_not_found" else []
    if nearest:
        return f"The server has {_either(nearest)}. {error.remedy}"
    if error.code == "auth_failed" and not facts.has_key and "key" not in error.evidence:
        return f"No key is stored for it yet. {error.remedy}"
    if error.code == "tls_wrong_version":
        return f"{error.remedy} Here that is {facts.base_url.replace('https://', 'http://', 1)}."
    return error.remedy


def nearest_names(wanted: str | None, found: Sequence[str], limit: int = 3) -> list[str]:
    """Names like `wanted`: case, a folder, a `.gguf` or `.bin` ending and a quantisation are what people get wrong."""
    if not wanted:
        return []
    by_core: dict[str, str] = {}
    for name in found:
        by_core.setdefault(_core(name), name)
    close = difflib.get_close_matches(_core(wanted), by_core, n=limit, cutoff=0.6)
    return [by_core[core] for core in close]


def _core(name: str) -> str:
    core = name.lower().rsplit("/", 1)[-1]
    for ending in (".gguf", ".bin", ".yaml", ".yml"):
        core = core.removesuffix(ending)
    return core


def _either(names: Sequence[str]) -> str:
    return " or ".join(f"`{name}`" for name in names)


# --- Messages ---
def _forbidden(facts: Facts, error: ProviderError) -> str:
    """Never what a name resolved to: that would tell about networks which are closed to the reader."""
    return f"The platform's address policy does not let {facts.typed} be dialled."


def _refused(facts: Facts, error: ProviderError) -> str:
    return f"Nothing listens on {facts.place} as seen from the worker."


def _web_page(facts: Facts, error: ProviderError) -> str:
    return f"{facts.base_url} serves a web page, not the API of {facts.label}."


def _path_not_found(facts: Facts, error: ProviderError) -> str:
    path = error.evidence.get("path")
    where = f"{facts.base_url}{path}" if path else facts.base_url
    return f"The server answers, but there is no API of {facts.label} at {where}."


def _auth_failed(facts: Facts, error: ProviderError) -> str:
    if error.evidence.get("key") == "admin_api_key":
        return f"{facts.base_url} refused the stored admin API key."
    if facts.has_key:
        return f"{facts.base_url} refused the stored API key."
    return f"{facts.base_url} asks for an API key."


def _model_not_found(facts: Facts, error: ProviderError) -> str:
    return f"The server does not know the model `{facts.model}`." if facts.model else error.message


def _type_mismatch(facts: Facts, error: ProviderError) -> str:
    able = error.evidence.get("capabilities")
    told = f" The server reports: {', '.join(able)}." if able else ""
    return f"`{facts.model}` cannot be used as {facts.model_type}.{told}" if facts.model else error.message


def _overflow(facts: Facts, error: ProviderError) -> str:
    asked, size = error.evidence.get("requested_tokens"), error.evidence.get("context_size")
    return f"{asked} tokens do not fit the context of {size}." if asked and size else error.message


def _waiting(facts: Facts, error: ProviderError) -> str:
    if error.retry_after_seconds is None:
        return error.message
    return f"{error.message.rstrip('.')}; it asks to be tried again in {error.retry_after_seconds:g} s."


_MESSAGES: Final[Mapping[str, Callable[[Facts, ProviderError], str]]] = {
    "destination_forbidden": _forbidden,
    "connection_refused_loopback": _refused,
    "connection_refused": _refused,
    "web_page_not_api": _web_page,
    "path_not_found": _path_not_found,
    "auth_failed": _auth_failed,
    "model_not_found": _model_not_found,
    "model_type_mismatch": _type_mismatch,
    "context_length_exceeded": _overflow,
    "model_loading": _waiting,
    "overloaded": _waiting,
}
