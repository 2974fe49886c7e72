"""Roles and scopes. A person's right is the role's; a key's right is its scopes within its creator's present role."""

from __future__ import annotations

from collections.abc import Iterable

VIEWER, MEMBER, ADMIN, OWNER = "viewer", "member", "admin", "owner"
ROLES = (VIEWER, MEMBER, ADMIN, OWNER)  # each may do what those before it may

SCOPES = (
    "infer",
    "jobs:read",
    "jobs:write",
    "models:read",
    "models:write",
    "providers:read",
    "providers:write",
    "creds:write",
    "usage:read",
    "audit:read",
    "admin",
)

_VIEWER = frozenset({"models:read", "providers:read", "usage:read"})
_MEMBER = _VIEWER | {"infer", "jobs:read", "jobs:write", "models:write", "providers:write"}
_ADMIN = _MEMBER | {"creds:write", "audit:read", "admin"}

ROLE_SCOPES: dict[str, frozenset[str]] = {
    VIEWER: _VIEWER,
    MEMBER: _MEMBER,
    ADMIN: _ADMIN,
    OWNER: _ADMIN,  # deleting or transferring the tenant is a person's act, not a scope
}


def reaches_further(role: str, than: str) -> bool:
    """Whether a role may do more than another. An unknown one may do nothing."""
    rank = {known: place for place, known in enumerate(ROLES)}
    return rank.get(role, -1) > rank.get(than, -1)


def role_allows(role: str, scope: str) -> bool:
    return scope in ROLE_SCOPES.get(role, frozenset())


def within_role(scopes: Iterable[str], role: str) -> frozenset[str]:
    """What is left of a key's scopes once its creator has this role."""
    return ROLE_SCOPES.get(role, frozenset()).intersection(scopes)


def default_scopes(role: str) -> list[str]:
    """The scopes of a key created without naming any: all that the role allows, except `admin`."""
    return [scope for scope in SCOPES if scope != "admin" and role_allows(role, scope)]


def in_order(scopes: Iterable[str]) -> list[str]:
    held = frozenset(scopes)
    return [scope for scope in SCOPES if scope in held]
