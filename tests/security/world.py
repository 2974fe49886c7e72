"""Two tenants that hold the same things, a third that is suspended, and everybody who might come to their doors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
from django.apps import apps
from django.core import mail
from django.db.models import QuerySet
from django.test import Client
from django.utils import timezone

from providers.jobs.settlement import result_place
from providers.models import Discovery, Job, ModelEntry, Provider, ValidationRun
from tenants.actors import SYSTEM
from tenants.invitations import invite
from tenants.keys import revoke_key
from tenants.models import ApiKey, Membership, Tenant, User
from tenants.permissions import SCOPES
from tenants.scope import TenantScoped
from tenants.sealing import seal
from tenants.tokens import parse
from tests.factories import Team, bearer, make_team, make_user
from tests.providers.rows import add_credential, add_model, add_provider, make_default

UPSTREAM = "http://10.1.2.3:8080"
# Every other type has a model of its own: its name, and what it is at a LocalAI.
TYPES = {"ranker": "rerank", "judge": "moderation", "painter": "image", "listener": "speech2text", "speaker": "tts"}
SORTS = {"ranker": "rerank", "judge": "llm", "painter": "image", "listener": "stt", "speaker": "tts"}
NOBODY = "nobody@elsewhere.example"  # is invited everywhere


@dataclass(frozen=True)
class Principal:
    """Somebody at the door: the headers that prove it, and what is true of them."""

    name: str
    headers: Mapping[str, str] = field(repr=False)
    of: str = ""  # the slug of their tenant
    role: str = ""
    scopes: frozenset[str] | None = None  # of a key; None: a person, who has the role's
    is_refused: bool = False  # the credential proves nothing (any more)
    is_staff: bool = False

    @property
    def is_key(self) -> bool:
        return self.scopes is not None


@dataclass(frozen=True)
class Holding:
    """A tenant, and one row of it for each id that a path can hold."""

    team: Team
    ids: dict[str, Any]

    @property
    def slug(self) -> str:
        return self.team.slug


@dataclass(frozen=True)
class World:
    acme: Holding
    globex: Holding
    principals: tuple[Principal, ...]

    def named(self, name: str) -> Principal:
        return next(principal for principal in self.principals if principal.name == name)


def make_world(upstream: str = UPSTREAM) -> World:
    make_user("guest@elsewhere.example")
    acme, globex, initech = make_team("acme"), make_team("globex"), make_team("initech")
    holdings = hold_everything(acme, upstream), hold_everything(globex, upstream)
    principals = (
        Principal("nobody", {}),
        *_strangers(globex),
        *_of_the_suspended(initech),
        *_people_of(acme),
        *_keys_of(acme),
    )
    return World(*holdings, principals)


def hold_everything(team: Team, upstream: str = UPSTREAM) -> Holding:
    """A provider with two credentials, two models, one of each kind of work that has ended."""
    provider = add_provider(team, upstream, name=f"box of {team.slug}", secrets={"api_key": f"sk-of-{team.slug}"})
    add_credential(provider, {"api_key": f"sk-spare-of-{team.slug}"}, name="other", state="staged")
    model = add_model(provider, "gpt-3.5-turbo")
    add_model(provider, "ada", type="text-embedding", upstream_name="text-embedding-ada-002")
    for name, model_type in TYPES.items():
        add_model(provider, name, type=model_type)
    make_default(model)
    colleague = team.person("viewer", f"colleague@{team.slug}.example")
    invitations = [
        invite(tenant_id=team.id, email=email, role="viewer", by=SYSTEM, inviter=team.owner)
        for email in ("other@elsewhere.example", NOBODY)
    ]
    return Holding(
        team,
        {
            "invitation": invitations[0].id,
            "token": mail.outbox[-1].body.partition("/invitations/")[2].split()[0],
            "tenant": team.slug,
            "kind": "localai",
            "name": model.name,
            "model": model.id,
            "provider": provider.id,
            "credential": provider.credentials.get(name="default").id,
            "api_key": _row_of(team, team.key_of(team.owner)).get().id,
            "member": Membership.objects.for_tenant(team.id).get(user=colleague).id,
            **_ended_work(team, provider, model),
        },
    )


def _ended_work(team: Team, provider: Provider, model: ModelEntry) -> dict[str, UUID]:
    long_ago = timezone.now() - timedelta(hours=1)
    run = ValidationRun(tenant=team.tenant, provider=provider, state="passed", finished_at=long_ago)
    form_run = ValidationRun(tenant=team.tenant, form={}, state="passed", finished_at=long_ago)
    found = [{"upstream_name": "phi-2", "type": "llm", "capabilities": [], "features": [], "source": {}}]
    found[0].update(context_size=None, mode=None, dimensions=None)
    discovery = Discovery(tenant=team.tenant, provider=provider, state="succeeded", found=found, finished_at=long_ago)
    job = Job(
        tenant=team.tenant,
        provider=provider,
        model_entry=model,
        model_name=model.name,
        operation="chat.completions",
        state="succeeded",
        attempt=1,
        lease_token=1,
        started_at=long_ago,
        finished_at=long_ago,
        deadline_at=timezone.now(),
    )
    answer = {"object": "chat.completion", "choices": [{"message": {"content": f"said to {team.slug}"}}]}
    job.result = seal(orjson.dumps(answer), result_place(team.id, job.pk))
    for row in (run, form_run, discovery, job):
        row.save()
    return {"validation": run.id, "form_validation": form_run.id, "discovery": discovery.id, "job": job.id}


# --- Who comes ---
def _strangers(globex: Team) -> list[Principal]:
    people = [_person(f"globex {role}", globex.person(role), globex.slug, role) for role in ("admin", "member")]
    return [
        _key("globex owner's key", globex.key, globex.slug, "owner"),
        _person("globex owner", globex.owner, globex.slug, "owner"),
        *people,
        _person("globex viewer", globex.person("viewer"), globex.slug, "viewer"),
        _person("somebody of no tenant", make_user(NOBODY)),
        _person("operator", make_user("ops@platform.example", is_staff=True, is_superuser=True), is_staff=True),
    ]


def _of_the_suspended(initech: Team) -> list[Principal]:
    Tenant.objects.filter(pk=initech.id).update(state=Tenant.State.SUSPENDED)
    return [
        _key("key of a suspended tenant", initech.key, initech.slug, "owner"),
        _person("owner of a suspended tenant", initech.owner, initech.slug, "owner"),
    ]


def _people_of(acme: Team) -> list[Principal]:
    others = [_person(f"acme {role}", acme.person(role), acme.slug, role) for role in ("viewer", "member", "admin")]
    return [*others, _person("acme owner", acme.owner, acme.slug, "owner")]


def _keys_of(acme: Team) -> list[Principal]:
    expired, revoked = (acme.key_of(acme.owner) for _ in range(2))
    _row_of(acme, expired).update(expires_at=timezone.now() - timedelta(seconds=1))
    revoke_key(_row_of(acme, revoked).get(), by=SYSTEM)
    viewer = User.objects.get(email="viewer@acme.example")
    return [
        Principal("acme expired key", bearer(expired), acme.slug, is_refused=True),
        Principal("acme revoked key", bearer(revoked), acme.slug, is_refused=True),
        Principal("mistyped key", bearer(_with_another_end(acme.key)), is_refused=True),
        _key("acme owner's key", acme.key, acme.slug, "owner"),
        _key("acme key without scopes", acme.key_of(acme.owner, ()), acme.slug, "owner", ()),
        _key("acme viewer's key with every scope", acme.key_of(viewer), acme.slug, "viewer"),
    ]


def _with_another_end(key: str) -> str:
    return key[:-1] + ("y" if key.endswith("x") else "x")


def _row_of(team: Team, key: str) -> QuerySet[ApiKey]:
    parsed = parse(key)
    assert parsed is not None
    rows: QuerySet[ApiKey] = ApiKey.objects.for_tenant(team.id).filter(key_id=parsed.key_id)
    return rows


def _person(name: str, user: User, of: str = "", role: str = "", **facts: Any) -> Principal:
    browser = Client()
    browser.force_login(user)
    return Principal(name, {"X-Session-Token": browser.cookies["sessionid"].value}, of, role, **facts)


def _key(name: str, key: str, of: str, role: str, scopes: Any = SCOPES) -> Principal:
    return Principal(name, bearer(key), of, role, frozenset(scopes))


# --- What they might have changed ---
def rows_of(team: Team) -> dict[str, list[dict[str, Any]]]:
    """Every row of a tenant, whole; but for when its keys were last used."""
    found = {
        model._meta.label: list(model.unscoped.filter(tenant=team.id).order_by("pk").values())
        for model in apps.get_models()
        if issubclass(model, TenantScoped)
    }
    for key in found["tenants.ApiKey"]:
        del key["last_used_at"]
    found["tenants.Tenant"] = list(Tenant.objects.filter(pk=team.id).values())
    return found
