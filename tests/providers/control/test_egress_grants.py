"""An operator's grant opens an address for a tenant or for all, until it is withdrawn or expires."""

from datetime import timedelta

import pytest
from django.utils import timezone

from providers.egress_grants import grant_egress, withdraw_egress
from tenants.actors import Actor
from tenants.models import AuditEvent
from tenants.problems import Problem
from tests.providers.control.conftest import register

OPERATOR = Actor("operator", None, "ops@example.com")


@pytest.mark.django_db(transaction=True)
def test_a_granted_address_is_dialled_and_a_withdrawn_one_not(acme, globex, fake, settings, work):
    settings.EGRESS_ALLOW = []
    grant = grant_egress(by=OPERATOR, cidr="127.0.0.1", tenant=acme.tenant, port_from=fake.port, port_to=fake.port)
    ours, theirs = register(acme, fake.url), register(globex, fake.url)
    work()

    def state(team, provider):
        return team.client.get(f"{team.path}/providers/{provider['id']}").json()["state"]

    assert (state(acme, ours), state(globex, theirs)) == ("healthy", "unreachable")
    withdraw_egress(grant, by=OPERATOR)
    acme.client.post(f"{acme.path}/providers/{ours['id']}/validations")
    work()
    assert state(acme, ours) == "unreachable"
    actions = AuditEvent.objects.for_tenant(acme.id).filter(object_type="egress_grant").values_list("action", flat=True)
    assert sorted(actions) == ["egress.granted", "egress.withdrawn"]


def test_every_field_of_a_wrong_grant_is_named(db):
    past = timezone.now() - timedelta(hours=1)
    with pytest.raises(Problem) as refused:
        grant_egress(by=OPERATOR, cidr="office", port_from=0, port_to=70000, max_concurrency=0, expires_at=past)
    fields = [error.field for error in refused.value.errors]
    assert fields == ["cidr", "port_from", "port_to", "max_concurrency", "expires_at"]
