"""Who acted: what every verb takes as `by=`, and what the audit log writes down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from uuid import UUID

if TYPE_CHECKING:
    from tenants.models import ApiKey, User


@dataclass(frozen=True, slots=True)
class Actor:
    kind: Literal["user", "api_key", "operator", "system"]
    id: UUID | None
    label: str = field(repr=False)  # a person's address: for the audit log, not for others


SYSTEM = Actor("system", None, "system")


def person(user: User) -> Actor:
    return Actor("user", user.id, user.email)


def operator(user: User) -> Actor:
    """A staff member acting in the operators' admin."""
    return Actor("operator", user.id, user.email)


def key_holder(api_key: ApiKey) -> Actor:
    return Actor("api_key", api_key.id, api_key.name)
