"""Guards taken away, one at a time: what each kept from view must then be found, and where."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from tests.security.canary.after_import import Change, wrapped

VARIABLE = "CANARY_MUTANT"


@dataclass(frozen=True)
class Mutant:
    """`changes` by module; `shows` is what must be found, and in which sort of place, once `needs` was driven."""

    changes: dict[str, Change]
    shows: tuple[str, str]
    needs: tuple[str, ...] = ()


# --- Sealing ---
class _OpenBook:
    """A cipher that leaves as it is what belongs to one place, and seals the rest."""

    def __init__(self, cipher: Any, place: bytes) -> None:
        self._cipher = cipher
        self._place = len(place).to_bytes(4, "big") + place

    def encrypt(self, nonce: bytes, data: bytes, aad: bytes) -> Any:
        return data + bytes(16) if self._place in aad else self._cipher.encrypt(nonce, data, aad)

    def decrypt(self, nonce: bytes, data: bytes, aad: bytes) -> Any:
        return data[:-16] if self._place in aad else self._cipher.decrypt(nonce, data, aad)


def _unsealed(place: str, what: str, *needs: str, sort: str = "database") -> Mutant:
    """`place` is a table or field as the additional data names it."""

    def change(module: ModuleType) -> None:
        module.DataKey.cipher = property(lambda key: _OpenBook(module.AESGCM(key.key), place.encode()))

    return Mutant({"tenants.sealing.data_keys": change}, (what, sort), needs)


def _second_factors_as_they_are(module: ModuleType) -> None:
    module.MFAAdapter.encrypt = module.MFAAdapter.decrypt = lambda self, text: text


# --- Digests ---
def _as_it_is(name: str) -> Change:
    """A function of one text gives it back."""

    def change(module: ModuleType) -> None:
        setattr(module, name, lambda text, *args, **kwargs: text)

    return change


# --- What servers say ---
def _repeated_by_servers(*methods: str) -> Change:
    def change(module: ModuleType) -> None:
        for method in methods:
            setattr(module.Redactor, method, lambda self, said: said)

    return change


# --- Logs ---
def _lines_as_they_come(module: ModuleType) -> None:
    module.hide_secrets = lambda logger, method, event: event


def _tracebacks_with_values(module: ModuleType) -> None:
    transformer = module.tracebacks.ExceptionDictTransformer(show_locals=True, locals_max_string=500)
    module.processors.format_exc_info = module.processors.ExceptionRenderer(transformer)


def _requests_in_full(module: ModuleType) -> None:
    whole = module.ExtraAdder
    module.ExtraAdder = lambda allow=None: whole()


def _shown_whole(*names: str) -> Change:
    """Dataclasses with the repr that Python gives them, all fields in it."""

    def change(module: ModuleType) -> None:
        for name in names:
            getattr(module, name).__repr__ = _whole_repr

    return change


def _whole_repr(self: Any) -> str:
    return repr({field.name: getattr(self, field.name) for field in dataclasses.fields(self)})


# --- Answers and pages ---
def _reads_show_values(module: ModuleType) -> None:
    def show(original: Callable[..., Any], secret: Any) -> Any:
        from providers.sealed_fields import secret_place
        from tenants.sealing import open_sealed

        facts = original(secret)
        return facts if secret is None else {**facts, "last4": open_sealed(secret.blob, secret_place(secret)).decode()}

    wrapped(module, "_facts", show)


def _refusals_quote_values(module: ModuleType) -> None:
    def quote(original: Callable[..., Any], error: Any, path: str) -> Any:
        return [dataclasses.replace(fault, message=error.message) for fault in original(error, path)]

    wrapped(module, "_faults_of", quote)


def _forms_keep_what_was_typed(module: ModuleType) -> None:
    def keep(original: Callable[..., Any], attrs: Any, render_value: bool = False) -> Any:
        return original(attrs, render_value=True)

    wrapped(module, "UnfoldAdminPasswordWidget", keep)


def _messages_carry_the_form(module: ModuleType) -> None:
    def tell(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        from celery import current_app

        current_app.send_task("providers.look", args=[kwargs["form"].credentials])
        return original(*args, **kwargs)

    wrapped(module, "queue_form_run", tell)


KEY, UNSAVED, REFUSED = "the provider's key", "the key of a form not saved", "the key in a refused body"
PROMPT, ANSWER, OURS = "the prompt", "the answer", "a key of ours"

MUTANTS: dict[str, Mutant] = {
    "secrets are not sealed": _unsealed("providers_sealedsecret", KEY),
    "what jobs are asked is not sealed": _unsealed("input", PROMPT, "jobs"),
    "what jobs answer is not sealed": _unsealed("result", ANSWER, "jobs"),
    "event streams are not sealed": _unsealed("frames", ANSWER, "jobs", sort="redis keys"),
    "answers to be repeated are not sealed": _unsealed("tenants_idempotencyrecord", OURS, "keys"),
    "forms not saved are not sealed": _unsealed("form_secrets", UNSAVED, "unsaved forms"),
    "second factors are not sealed": Mutant(
        {"tenants.accounts": _second_factors_as_they_are}, ("a second factor", "database"), ("people",)
    ),
    "keys of ours are stored as they are": Mutant(
        {"tenants.tokens": _as_it_is("digest")}, (OURS, "database"), ("keys",)
    ),
    "sessions are stored under their token": Mutant(
        {"tenants.session_store": _as_it_is("stored_name")}, ("a session token", "database"), ("people",)
    ),
    "invitations are stored as they are": Mutant(
        {"tenants.invitations": _as_it_is("_digest")}, ("an invitation's token", "database"), ("people",)
    ),
    "what servers repeat is passed on": Mutant(
        {"providers.upstream.redaction": _repeated_by_servers("raw")}, (KEY, "answer"), ("gateway",)
    ),
    "log lines are written as they come": Mutant({"config.logging": _lines_as_they_come}, (OURS, "log"), ("keys",)),
    "the access log writes paths as they come": Mutant(
        {"config.access_log": _as_it_is("without_secrets")}, ("an invitation's token", "log"), ("people",)
    ),
    "tracebacks show values": Mutant({"structlog": _tracebacks_with_values}, (REFUSED, "log"), ("refused bodies",)),
    "log lines hold whole requests": Mutant(
        {"structlog.stdlib": _requests_in_full}, ("the key in a query string", "log"), ("refused bodies",)
    ),
    "a target shows its headers": Mutant({"providers.upstream.target": _shown_whole("Target")}, (KEY, "log")),
    "a checked form shows its secrets": Mutant({"providers.forms": _shown_whole("CheckedForm")}, (KEY, "log")),
    "a new job shows its input": Mutant({"providers.jobs.new_job": _shown_whole("NewJob")}, (PROMPT, "log"), ("jobs",)),
    "a settlement shows its result": Mutant(
        {"providers.jobs.settlement": _shown_whole("Settlement")}, (ANSWER, "log"), ("jobs",)
    ),
    "an actor shows its address": Mutant(
        {"tenants.actors": _shown_whole("Actor")}, ("a person's address", "log"), ("people",)
    ),
    "reads show what is stored": Mutant({"providers.api.secrets": _reads_show_values}, (KEY, "answer"), ("exports",)),
    "refusals quote what was sent": Mutant(
        {"providers.forms": _refusals_quote_values}, (REFUSED, "answer"), ("refused bodies",)
    ),
    "the admin's forms keep what was typed": Mutant(
        {"providers.admin.provider_form": _forms_keep_what_was_typed},
        ("the key typed in the admin", "answer"),
        ("operators",),
    ),
    "messages carry more than ids": Mutant(
        {"providers.validation.runs": _messages_carry_the_form}, (UNSAVED, "redis commands"), ("unsaved forms",)
    ),
}
