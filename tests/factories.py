"""Tenants, people and keys for tests, made through the same verbs as everything else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.test import Client

from tenants.actors import SYSTEM
from tenants.key_limits import Limits
from tenants.keys import create_key, create_owner_key
from tenants.members import add_member
from tenants.models import ApiKey, Tenant, User
from tenants.permissions import SCOPES
from tenants.registration import create_tenant

PASSWORD = "correct-horse-battery"


class ApiClient(Client):
    """A client that speaks JSON: `client.post(path, {"name": …})`, with the headers it was made with."""

    def __init__(self, headers: dict[str, str] | None = None, **options: Any) -> None:
        super().__init__(headers=headers or {}, **options)

    def generic(
        self, method: str, path: str, data: Any = "", content_type: Any = "application/json", *args: Any, **extra: Any
    ) -> Any:
        return super().generic(method, path, data, content_type, *args, **extra)

    def post(self, path: str, data: Any = None, content_type: str = "application/json", **extra: Any) -> Any:
        return super().post(path, {} if data is None else data, content_type=content_type, **extra)

    def patch(self, path: str, data: Any = None, content_type: str = "application/json", **extra: Any) -> Any:
        return super().patch(path, {} if data is None else data, content_type=content_type, **extra)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@dataclass
class Team:
    """A tenant with its owner, a key that acts as owner, and a client that sends the key."""

    tenant: Tenant
    owner: User
    api_key: ApiKey
    key: str = field(repr=False)

    @property
    def id(self) -> UUID:
        return self.tenant.id

    @property
    def slug(self) -> str:
        return self.tenant.slug

    @property
    def path(self) -> str:
        return f"/api/v1/tenants/{self.slug}"

    @property
    def client(self) -> ApiClient:
        return ApiClient(headers=bearer(self.key))

    def person(self, role: str, email: str | None = None) -> User:
        """A further member."""
        user = make_user(email or f"{role}@{self.slug}.example")
        add_member(self.tenant.id, user, role=role, by=SYSTEM)
        return user

    def key_of(self, creator: User | None, scopes: Any = SCOPES, **limits: Any) -> str:
        """A key that `creator` made (None: nobody any more), with these scopes."""
        wanted = Limits(frozenset(scopes), **limits)
        return create_key(tenant_id=self.id, name="a key", limits=wanted, by=SYSTEM, creator=creator)[1]

    def client_with(self, *scopes: str) -> ApiClient:
        """A client whose key has exactly these scopes, made by the owner."""
        return ApiClient(headers=bearer(self.key_of(self.owner, scopes)))

    def client_as(self, role: str) -> ApiClient:
        """A client whose key follows the role of a new member."""
        return ApiClient(headers=bearer(self.key_of(self.person(role))))


def make_user(email: str, **fields: Any) -> User:
    return User.objects.create_user(email, PASSWORD, **fields)


def make_team(slug: str) -> Team:
    owner = make_user(f"owner@{slug}.example")
    tenant = create_tenant(slug, slug.title(), by=SYSTEM, owner=owner)
    api_key, key = create_owner_key(tenant_id=tenant.id, name="owner key", by=SYSTEM)
    return Team(tenant, owner, api_key, key)
