"""What is planted, and where each of it may stand: secrets nowhere, content and addresses in their own places."""

from __future__ import annotations

import re
import secrets
import string
from dataclasses import dataclass, field

EDGY = "\"&/+<'=\\"  # what JSON, URLs, HTML and base64 each spell in a way of their own


@dataclass(frozen=True)
class Planted:
    """`may_stand_in`: the places, as `haystacks` names them, that are meant to hold it."""

    name: str
    text: str = field(repr=False)
    may_stand_in: re.Pattern[str] | None = None

    def is_at_home_in(self, place: str) -> bool:
        return bool(self.may_stand_in and self.may_stand_in.match(place))


def _random(length: int) -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(length))


def _secret() -> str:
    return _random(8) + EDGY + _random(16)


ANSWERS_OF_MODELS = re.compile(r"answer to \w+ (/v1/|.*/jobs/)")
NO_TELLTALE = re.compile(r"(answer|database|email)")  # all but logs, Redis, messages and process tables


@dataclass
class Plants:
    """One run's. What the platform itself makes, such as keys and tokens, is added as it is handed out."""

    key: Planted = field(default_factory=lambda: Planted("the provider's key", _secret()))
    admin_key: Planted = field(default_factory=lambda: Planted("the provider's admin key", _secret()))
    next_key: Planted = field(default_factory=lambda: Planted("the key rotated to", _secret()))
    unsaved_key: Planted = field(default_factory=lambda: Planted("the key of a form not saved", _secret()))
    refused_key: Planted = field(default_factory=lambda: Planted("the key in a refused body", _secret()))
    typed_key: Planted = field(default_factory=lambda: Planted("the key typed in the admin", _secret()))
    queried_key: Planted = field(  # the way to the login repeats what was asked
        default_factory=lambda: Planted("the key in a query string", _secret(), re.compile("answer to GET /admin/$"))
    )
    password: Planted = field(default_factory=lambda: Planted("a person's password", _secret()))
    prompt: Planted = field(  # a reranker gives back the documents that it was given
        default_factory=lambda: Planted("the prompt", _random(24), ANSWERS_OF_MODELS)
    )
    answer: Planted = field(default_factory=lambda: Planted("the answer", _random(24), ANSWERS_OF_MODELS))
    echoed_prompt: Planted = field(
        default_factory=lambda: Planted("a prompt that the server repeats", _random(24), NO_TELLTALE)
    )
    email: Planted = field(
        default_factory=lambda: Planted("a person's address", f"{_random(16)}@acme.example".lower(), NO_TELLTALE)
    )
    handed_out: list[Planted] = field(default_factory=list)

    def hand_out(self, name: str, text: str, *, at: str) -> str:
        """A secret that the platform shows once, in places that match `at`."""
        assert len(text) > 12, name
        self.handed_out.append(Planted(name, text, re.compile(at)))
        return text

    def all(self) -> list[Planted]:
        mine = [value for value in vars(self).values() if isinstance(value, Planted)]
        return [*mine, *self.handed_out]
