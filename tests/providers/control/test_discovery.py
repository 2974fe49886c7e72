"""A discovery asks the server what it serves, and says what changed since the last time."""

import pytest
from django.utils import timezone

from providers.discovery import store_result
from providers.models import Discovery, Provider
from tests.providers.control.conftest import KEY, register

pytestmark = pytest.mark.django_db(transaction=True)


def discover(team, provider, work):
    started = team.client.post(f"{team.path}/providers/{provider['id']}/discoveries")
    assert started.status_code == 202, started.content
    assert started.json()["state"] == "queued"
    work()
    return team.client.get(started["Location"]).json()


def test_a_new_and_a_lost_model_are_told(acme, fake, work):
    provider = register(acme, fake.url)
    work()
    fake.add("bge-m3", "embedding", dimensions=1024)
    del fake.models["gpt-3.5-turbo"]

    found = discover(acme, provider, work)

    assert found["state"] == "succeeded"
    assert (found["diff"]["added"], found["diff"]["removed"]) == (["bge-m3"], ["gpt-3.5-turbo"])
    last = acme.client.get(f"{acme.path}/providers/{provider['id']}/discovered-models").json()
    assert last["discovery"] == found["id"]
    assert last["age_seconds"] >= 0
    assert "bge-m3" in [model["upstream_name"] for model in last["models"]]


def test_a_listing_that_fails_says_why_and_leaves_the_last_one(acme, fake, work):
    provider = register(acme, fake.url)
    work()
    fake.dial.api_keys = {KEY}

    failed = discover(acme, provider, work)

    assert (failed["state"], failed["error"]["code"], failed["error"]["whose"]) == ("failed", "auth_failed", "upstream")
    last = acme.client.get(f"{acme.path}/providers/{provider['id']}/discovered-models").json()
    assert last["models"] != []


def test_names_no_request_could_carry_are_left_out(acme, fake, work):
    fake.dial.listing = {"object": "list", "data": [{"id": "good"}, {"id": "bad\nname"}, {"id": "x" * 300}]}
    provider = register(acme, fake.url)

    found = discover(acme, provider, work)

    assert [model["upstream_name"] for model in found["models"]] == ["good"]


def test_old_listings_do_not_pile_up(acme, work):
    made = register(acme)
    for _ in range(60):
        listing = {"state": "succeeded", "found": [], "finished_at": timezone.now()}
        Discovery(tenant_id=acme.id, provider_id=made["id"], **listing).save()

    store_result(Provider.objects.for_tenant(acme.id).get(), [])

    assert Discovery.objects.for_tenant(acme.id).count() == 50
