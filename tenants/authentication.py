"""Who is asking: from a request's headers to a `Principal`, and from there into one tenant as a `Caller`.

One lookup serves both planes: DRF through `tenants.api.authentication`, Starlette by calling these functions in
`in_db`. A bearer key is one query, a session two, entering a tenant with a session one more. A bearer key wins:
cookies beside it are not even read.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from django.conf import settings
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone

from tenants import key_use, tokens
from tenants.actors import Actor, key_holder, person
from tenants.models import ApiKey, Membership, Tenant, User
from tenants.permissions import OWNER, ROLE_SCOPES, within_role
from tenants.problems import Problem
from tenants.rate_limits import Bound, bounds_of
from tenants.sessions import user_of_session

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="modelyard"'}
_NOBODYS_DIGEST = "0" * 64

Via = Literal["bearer", "session_token", "cookie"]


@dataclass(frozen=True, slots=True)
class Principal:
    """A proven credential: a person, or a key with the role that its creator has in its tenant now.

    `valid_until` is when a key (or the secret of it that was sent) ends by itself.
    """

    actor: Actor
    user: User | None
    api_key: ApiKey | None
    via: Via
    key_role: str = ""
    valid_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """A principal inside one tenant. `allowed_models` None: all; `role` is empty for a key whose creator has left.

    `bounds`: the rate limits that count for it, none where none are set.
    """

    tenant_id: UUID
    tenant_slug: str
    tenant_state: str
    actor: Actor
    role: str
    scopes: frozenset[str]
    api_key_id: UUID | None
    allowed_models: frozenset[str] | None = field(default=None)
    bounds: tuple[Bound, ...] = ()

    def require(self, scope: str) -> None:
        """Raises Problem `insufficient_scope` (403), with the scope in its hint."""
        if scope not in self.scopes:
            holder = "key" if self.api_key_id else "role"
            raise Problem("insufficient_scope", hint=f"This needs the scope `{scope}`, which your {holder} lacks.")

    def require_owner(self) -> None:
        if self.role != OWNER:
            raise Problem("owner_required")

    def require_person(self) -> None:
        if self.actor.kind != "user":
            raise Problem("person_required")


def identify(headers: Mapping[str, str], cookies: Mapping[str, str], client_ip: str | None) -> Principal | None:
    """Who sends these headers (lower-case names); None for nobody. Raises Problem `authentication_failed` (401).

    A credential that is there but wrong is refused, never passed over for the next one; only a stale session
    cookie counts as none.
    """
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return _identify_key(credentials.strip(), client_ip)
    if "x-session-token" in headers:
        user = user_of_session(headers["x-session-token"])
        if user is None:
            raise refused("The session token is unknown, or its session has ended.")
        return Principal(person(user), user, None, "session_token")
    user = user_of_session(cookies.get(settings.SESSION_COOKIE_NAME, ""))
    return Principal(person(user), user, None, "cookie") if user else None


def enter(principal: Principal, tenant_slug: str) -> Caller:
    """The principal inside a tenant. The same 404 for a tenant that does not exist and for one without membership."""
    if principal.api_key is not None:
        if principal.api_key.tenant.slug != tenant_slug:
            raise Problem("not_found")
        return caller_of_key(principal)
    assert principal.user is not None
    found = Membership.unscoped.select_related("tenant").filter(user=principal.user, tenant__slug=tenant_slug)
    membership = found.first()
    if membership is None:
        raise Problem("not_found")
    _refuse_suspended(membership.tenant)
    return _caller(membership.tenant, principal.actor, membership.role, ROLE_SCOPES[membership.role], None)


def caller_of_key(principal: Principal | None) -> Caller:
    """The caller of the data plane, where only keys are taken: the tenant is the key's own."""
    if principal is None or principal.api_key is None:
        raise refused("This address takes an API key only.")
    api_key = principal.api_key
    _refuse_suspended(api_key.tenant)
    return _caller(api_key.tenant, principal.actor, principal.key_role, key_scopes(principal), api_key)


def key_scopes(principal: Principal) -> frozenset[str]:
    """What the key may do now: its scopes within its creator's present role."""
    assert principal.api_key is not None
    return within_role(principal.api_key.scopes, principal.key_role)


def refused(detail: str) -> Problem:
    return Problem("authentication_failed", detail, headers=CHALLENGE)


def _identify_key(key: str, client_ip: str | None) -> Principal:
    parsed = tokens.parse(key)
    if parsed is None:
        raise refused("This is not an API key of ours: a part may be missing or mistyped.")
    api_key = live_keys().filter(key_id=parsed.key_id).first()
    if api_key is None:
        tokens.matches(key, _NOBODYS_DIGEST, tokens.active_pepper_id())  # as long as for a key that exists
        raise _unknown_key()
    now = timezone.now()
    ends = [end for end in (api_key.expires_at, _end_of_secret(api_key, key)) if end is not None]
    if any(end <= now for end in ends):
        raise refused("The API key has expired, or was replaced by a rotation.")
    _refuse_foreign_address(api_key, client_ip)
    key_use.note(api_key, now)
    return Principal(key_holder(api_key), None, api_key, "bearer", key_role(api_key), min(ends, default=None))


def key_role(api_key: ApiKey) -> str:
    """The role that the key's rights follow now; empty where its creator has left. Of a row that `live_keys` gave."""
    return OWNER if api_key.acts_as_owner else getattr(api_key, "creator_role", None) or ""


def live_keys() -> QuerySet[ApiKey]:
    """Keys that are not revoked, with their tenant and their creator's present role."""
    creator = Membership.unscoped.filter(
        tenant=OuterRef("tenant"), user=OuterRef("created_by"), user__is_active=True
    ).values("role")[:1]
    live = ApiKey.unscoped.filter(revoked_at__isnull=True)
    return live.select_related("tenant").annotate(creator_role=Subquery(creator))


def _end_of_secret(api_key: ApiKey, key: str) -> datetime | None:
    """When this secret of the key ends: the present one does not, the one before it at the end of the overlap.

    Raises Problem where it is neither. Moves the secret to the present pepper after SECRET_KEY was rotated.
    """
    if tokens.matches(key, api_key.digest, api_key.pepper_id):
        _repepper(api_key, key, "digest", "pepper_id")
        return None
    former, pepper_id, until = api_key.former_digest, api_key.former_pepper_id, api_key.former_until
    if former and pepper_id and until and tokens.matches(key, former, pepper_id):
        _repepper(api_key, key, "former_digest", "former_pepper_id")
        return until
    raise _unknown_key()


def _repepper(api_key: ApiKey, key: str, digest: str, pepper_id: str) -> None:
    stored, active = getattr(api_key, pepper_id), tokens.active_pepper_id()
    if stored != active:
        same = ApiKey.unscoped.filter(**{"pk": api_key.pk, digest: getattr(api_key, digest)})
        same.update(**{digest: tokens.digest(key, active), pepper_id: active})


def _unknown_key() -> Problem:
    return refused("The API key is unknown or has been revoked.")


def _refuse_foreign_address(api_key: ApiKey, client_ip: str | None) -> None:
    if api_key.allowed_cidrs is None:
        return
    try:
        address = ipaddress.ip_address(client_ip or "")
    except ValueError:
        raise Problem("address_not_allowed") from None
    mapped = getattr(address, "ipv4_mapped", None)  # how a dual-stack socket shows an IPv4 client
    if not any((mapped or address) in ipaddress.ip_network(cidr) for cidr in api_key.allowed_cidrs):
        raise Problem("address_not_allowed")


def _refuse_suspended(tenant: Tenant) -> None:
    if tenant.state == Tenant.State.SUSPENDED:
        raise Problem("tenant_suspended")


def _caller(tenant: Tenant, actor: Actor, role: str, scopes: frozenset[str], api_key: ApiKey | None) -> Caller:
    models = api_key.allowed_models if api_key else None
    return Caller(
        tenant_id=tenant.id,
        tenant_slug=tenant.slug,
        tenant_state=tenant.state,
        actor=actor,
        role=role,
        scopes=scopes,
        api_key_id=api_key.id if api_key else None,
        allowed_models=None if models is None else frozenset(models),
        bounds=bounds_of(tenant, api_key),
    )
