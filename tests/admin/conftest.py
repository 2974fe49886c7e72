"""An operator, logged in, and one row of everything that the admin shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.utils import timezone

from providers.model_entries import create_entry, set_default_models
from providers.models import (
    Credential,
    DefaultModel,
    EgressGrant,
    Job,
    ModelEntry,
    Provider,
    UsageRecord,
    ValidationRun,
)
from providers.registration import register_provider
from providers.validation.runs import latest_run
from tenants.actors import SYSTEM
from tenants.models import ApiKey, AuditEvent, Membership, Tenant, User
from tests.factories import PASSWORD, Team, make_user

CANARY = "sk-canary-7f3d9a51c0de4b2e"


@pytest.fixture
def operator(db: None) -> User:
    return User.objects.create_superuser("ops@modelyard.example", PASSWORD)


@pytest.fixture
def staff(operator: User) -> Client:
    """The browser of a superuser."""
    return browser_of(operator)


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def staff_member(*permissions: str) -> Client:
    """The browser of an operator with these permissions alone, such as `providers.view_provider`."""
    from django.contrib.auth.models import Permission

    user = make_user("junior@modelyard.example", is_staff=True)
    for permission in permissions:
        app, codename = permission.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return browser_of(user)


@dataclass
class Stock:
    """One row of each model, by class."""

    rows: dict[type[Model], Model]

    def __getitem__(self, model: type[Model]) -> Any:
        return self.rows[model]


@pytest.fixture
def stock(acme: Team, operator: User) -> Stock:
    provider = register_provider(
        tenant_id=acme.id,
        by=SYSTEM,
        kind="localai",
        name="gpu-box",
        base_url="http://192.168.1.100:8080",
        credentials={"api_key": CANARY},
        settings={},
    )
    entry = create_entry(provider, by=SYSTEM, fields={"name": "gpt-3.5-turbo", "type": "llm"})
    set_default_models(tenant_id=acme.id, by=SYSTEM, changes={"llm": entry.id})
    rows = [acme.tenant, acme.owner, acme.api_key, provider, entry, latest_run(provider), add_job(provider, entry)]
    rows += [Membership.unscoped.get(), AuditEvent.unscoped.first(), Credential.unscoped.get()]
    rows += [DefaultModel.unscoped.get(), EgressGrant.objects.create(tenant=acme.tenant, cidr="192.168.1.100/32")]
    rows += [_usage(acme.tenant)]
    return Stock({type(row): row for row in rows})


def add_job(provider: Provider, entry: ModelEntry, **facts: Any) -> Job:
    facts = {"state": "queued", "deadline_at": timezone.now() + timedelta(hours=1), "model_name": entry.name, **facts}
    job = Job(
        tenant_id=provider.tenant_id,
        provider=provider,
        model_entry=entry,
        operation="chat.completions",
        endpoint="192.168.1.100:8080",
        **facts,
    )
    job.save()
    return job


def _usage(tenant: Tenant) -> UsageRecord:
    record = UsageRecord(tenant=tenant, model_name="gpt-3.5-turbo", operation="chat.completions", outcome="succeeded")
    record.save()
    return record


SHOWN = [
    ApiKey,
    AuditEvent,
    Credential,
    DefaultModel,
    EgressGrant,
    Job,
    Membership,
    ModelEntry,
    Provider,
    Tenant,
    UsageRecord,
    User,
    ValidationRun,
]


def address(model: type[Model], page: str, *args: Any) -> str:
    """`/admin/providers/provider/…`; `page` is `changelist`, `add`, `change` or an act's name."""
    from django.urls import reverse

    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def act(client: Client, row: Model, name: str, **fields: Any) -> Any:
    """Press the button of an act and confirm its dialog, as htmx does."""
    fields = {"_form_submitted": "on", **fields}
    return client.post(address(type(row), name, row.pk), fields, headers={"HX-Request": "true"})


def page_of(client: Client, model: type[Model], page: str, *args: Any, **query: Any) -> str:
    response = client.get(address(model, page, *args), query)
    assert response.status_code == 200, response
    return response.content.decode()


def may_add(model: type[Model]) -> bool:
    return model in {ApiKey, EgressGrant, Membership, ModelEntry, Provider, Tenant, User}


def registered() -> set[str]:
    return {model.__name__ for model in admin.site._registry}


@pytest.fixture
def settings_of() -> Any:
    """What a provider's form sends when nothing was touched."""

    def fields(provider: Provider) -> dict[str, Any]:
        sent = {"name": provider.name, "base_url": provider.base_url}
        for name, value in provider.settings.items():
            if value is True:
                sent[f"settings__{name}"] = "on"
            elif isinstance(value, dict):
                sent[f"settings__{name}"] = "{}"
            elif value not in (None, False):
                sent[f"settings__{name}"] = str(value)
        return sent

    return fields
