"""Every model either belongs to one tenant and says so to the database, or is named here with its reason."""

import pytest
from django.apps import apps
from django.db import models

from tenants.scope import TenantScoped
from tenants.walls import SameTenant

OURS = [model for name in ("tenants", "providers") for model in apps.get_app_config(name).get_models()]
NOT_A_TENANTS = {
    "tenants.User": "a person may be in several tenants",
    "tenants.Tenant": "it is the tenant",
    "tenants.IdempotencyRecord": "`POST /tenants` has no tenant yet; the actor is part of its key",
    "tenants.KeyringCanary": "belongs to the keyring",
    "tenants.KeyRotation": "an operator's work, on one tenant or on all",
    "tenants.DeletionReceipt": "outlives its tenant",
    "providers.EgressGrant": "an operator's word, for one tenant or for all",
}
SCOPED = [model for model in OURS if issubclass(model, TenantScoped)]


def foreign_keys_between_tenants_rows() -> list[models.ForeignKey]:
    return [
        field
        for model in SCOPED
        for field in model._meta.get_fields()
        if isinstance(field, models.ForeignKey)
        and field.name != "tenant"
        and issubclass(field.related_model, TenantScoped)
    ]


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label)
def test_every_model_is_a_tenants_or_is_named_with_its_reason(model):
    assert issubclass(model, TenantScoped) != (model._meta.label in NOT_A_TENANTS)


def test_the_list_of_exceptions_is_not_stale():
    assert set(NOT_A_TENANTS) <= {model._meta.label for model in OURS}


@pytest.mark.parametrize("field", foreign_keys_between_tenants_rows(), ids=str)
def test_every_relation_between_tenants_rows_has_a_wall(field):
    walls = [c for c in field.model._meta.constraints if isinstance(c, SameTenant)]
    assert (field.column, field.related_model._meta.db_table) in {(wall.column, wall.target) for wall in walls}


@pytest.mark.parametrize("model", SCOPED, ids=lambda model: model._meta.label)
def test_the_door_refuses_to_answer_without_a_tenant(model):
    from tenants.scope import TenantRequired

    for ask in (model.objects.all, model.objects.exists, model.objects.count, model.objects.first):
        with pytest.raises(TenantRequired):
            ask()
