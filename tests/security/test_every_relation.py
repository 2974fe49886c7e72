"""No row points across tenants: every relation there is, tried on the database itself.

A relation is found by walking the models, so a new one is tried too. Each is written as it is, which goes well, and
then with another tenant's id in it, which the database refuses as a foreign key that leads nowhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, models, transaction

from providers.models import Provider, ValidationRun
from tenants.models import Tenant
from tenants.scope import TenantScoped
from tests.providers.rows import add_credential, add_model, add_provider
from tests.security.world import UPSTREAM, make_world

pytestmark = pytest.mark.django_db(transaction=True)

SCOPED = [model for model in apps.get_models() if issubclass(model, TenantScoped)]
RELATIONS = [
    field
    for model in SCOPED
    for field in model._meta.concrete_fields
    if isinstance(field, models.ForeignKey) and field.name != "tenant" and issubclass(field.related_model, TenantScoped)
]


def inserted_anew(row: Any) -> None:
    """Take the row away and insert it as it now is: constraints between rows are judged at the commit."""
    type(row).unscoped.filter(pk=row.pk)._raw_delete("default")
    row.save(force_insert=True)


def updated(row: Any) -> None:
    fields = [field.name for field in row._meta.concrete_fields if not field.primary_key]
    row.save(force_update=True, update_fields=fields)


def is_refused(write: Callable[[Any], None], row: Any) -> bool:
    """Whether the commit of this write fails, and by a foreign key."""
    try:
        with transaction.atomic():
            write(row)
    except IntegrityError as refusal:
        if "foreign key" not in str(refusal).lower():
            raise  # it failed for another reason, which proves nothing
        return True
    return False


def rows_with(field: Any, tenant_id: Any) -> Any:
    return field.model.unscoped.filter(tenant_id=tenant_id, **{f"{field.attname}__isnull": False})


@pytest.fixture
def world() -> Any:
    made = make_world()
    acme = made.acme
    provider = Provider.unscoped.get(pk=acme.ids["provider"])
    credential = provider.credentials.get(pk=acme.ids["credential"])
    ValidationRun(tenant=acme.team.tenant, provider=provider, credential=credential, state="passed").save()
    return made


@pytest.fixture
def bare(world: Any) -> dict[type[models.Model], models.Model]:
    """A row of globex for each kind that others point at, on which nothing hangs that could clash."""
    full, provider = (add_provider(world.globex.team, UPSTREAM, name=name) for name in ("full", "bare"))
    rows = [provider, add_credential(full, {}, state="staged"), add_model(full, "bare")]
    return {type(row): row for row in rows}


def test_no_relation_takes_another_tenants_row(world, bare):
    taken = []
    for field in RELATIONS:
        row, theirs = rows_with(field, world.acme.team.id).first(), bare.get(field.related_model)
        assert row is not None, f"Make a row with {field} in this file's world."
        assert theirs is not None, f"Make a bare {field.related_model.__name__} in this file."
        own = getattr(row, field.attname)
        for write in (inserted_anew, updated):
            setattr(row, field.attname, own)
            assert not is_refused(write, row), f"{field} does not even take its own row"
            setattr(row, field.attname, theirs.pk)
            if not is_refused(write, row):
                taken.append(f"{field} by {write.__name__}")

    assert len(RELATIONS) >= 9
    assert taken == []


def test_no_row_moves_to_another_tenant_while_it_hangs_together_with_others(world):
    initech = Tenant.objects.get(slug="initech").pk  # it holds nothing that a row could clash with
    moved = []
    for field in RELATIONS:
        row = rows_with(field, world.acme.team.id).first()
        for one in (row, getattr(row, field.name)):
            one.tenant_id = initech
            if not is_refused(updated, one):
                moved.append(f"{type(one).__name__}, which is one end of {field}")

    assert moved == []
