"""Named credentials: one active, rotated only when the new values work, gone when revoked."""

from datetime import timedelta

import pytest
from django.utils import timezone

from providers.credentials import end_graces
from providers.models import Credential, SealedSecret
from tests.providers.control.conftest import KEY, add_model, faults, register

NEW_KEY = "sk-local-fedcba9876543210-f00d"


@pytest.fixture
def provider(acme):
    return register(acme, credentials={"api_key": KEY})


def path_of(team, provider):
    return f"{team.path}/providers/{provider['id']}/credentials"


def by_name(team, provider):
    return {row["name"]: row for row in team.client.get(path_of(team, provider)).json()["results"]}


def test_a_further_credential_is_staged_until_it_is_activated(acme, provider):
    made = acme.client.post(path_of(acme, provider), {"name": "spare", "fields": {"api_key": NEW_KEY}})
    assert (made.status_code, made.json()["state"]) == (201, "staged")

    acme.client.post(f"{path_of(acme, provider)}/{made.json()['id']}/activate")

    rows = by_name(acme, provider)
    assert (rows["spare"]["state"], rows["default"]["state"]) == ("active", "staged")
    shown = acme.client.get(f"{acme.path}/providers/{provider['id']}").json()
    assert shown["credentials"]["api_key"]["last4"] == "f00d"
    assert shown["state"] == "unverified"


def test_two_credentials_of_a_provider_do_not_share_a_name(acme, provider):
    response = acme.client.post(path_of(acme, provider), {"name": "default", "fields": {}})
    assert (response.status_code, faults(response)) == (409, {"name": "name_taken"})


def test_a_credential_entered_for_another_address_is_not_activated(acme, provider):
    spare = acme.client.post(path_of(acme, provider), {"name": "spare", "fields": {"api_key": NEW_KEY}}).json()
    moved = {"base_url": "http://192.168.1.101:8080", "credentials": {"api_key": KEY}}
    acme.client.patch(f"{acme.path}/providers/{provider['id']}", moved)

    response = acme.client.post(f"{path_of(acme, provider)}/{spare['id']}/activate")

    assert (response.status_code, response.json()["code"]) == (400, "credentials_required_for_new_origin")
    acme.client.patch(f"{path_of(acme, provider)}/{spare['id']}", {"fields": {"api_key": NEW_KEY}})
    assert acme.client.post(f"{path_of(acme, provider)}/{spare['id']}/activate").json()["state"] == "active"


def test_revoking_wipes_the_values_at_once(acme, provider):
    credential = by_name(acme, provider)["default"]

    revoked = acme.client.post(f"{path_of(acme, provider)}/{credential['id']}/revoke").json()

    assert (revoked["state"], revoked["fields"]["api_key"]) == ("revoked", {"set": False})
    assert not SealedSecret.objects.for_tenant(acme.id).exists()
    again = acme.client.post(f"{path_of(acme, provider)}/{credential['id']}/activate")
    assert (again.status_code, again.json()["code"]) == (409, "conflict")


def test_the_active_credential_is_deleted_only_with_cascade(acme, provider):
    add_model(acme, provider, "gpt-3.5-turbo")
    path = f"{path_of(acme, provider)}/{by_name(acme, provider)['default']['id']}"

    refused = acme.client.delete(path)

    assert (refused.status_code, refused.json()["code"]) == (409, "in_use")
    assert [model["name"] for model in refused.json()["impact"]["models"]] == ["gpt-3.5-turbo"]
    assert acme.client.delete(f"{path}?cascade=true").status_code == 204
    written = acme.client.patch(f"{acme.path}/providers/{provider['id']}", {"credentials": {"api_key": NEW_KEY}})
    assert written.json()["credentials"]["api_key"]["last4"] == "f00d"


def test_a_rotation_brings_every_set_field_anew(acme, provider):
    acme.client.patch(f"{acme.path}/providers/{provider['id']}", {"credentials": {"admin_api_key": KEY}})
    path = f"{path_of(acme, provider)}/{by_name(acme, provider)['default']['id']}/rotate"

    response = acme.client.post(path, {"fields": {"api_key": NEW_KEY}})

    assert (response.status_code, faults(response)) == (400, {"fields.admin_api_key": "required"})


@pytest.mark.django_db(transaction=True)
class TestRotation:
    def start(self, team, provider, **body):
        credential = by_name(team, provider)["default"]
        path = f"{path_of(team, provider)}/{credential['id']}/rotate"
        response = team.client.post(path, {"fields": {"api_key": NEW_KEY}, **body})
        assert response.status_code == 202, response.content
        return response

    def test_new_values_that_work_are_promoted_and_the_old_ones_kept_for_the_grace(self, acme, fake, work):
        fake.dial.api_keys = {KEY, NEW_KEY}
        provider = register(acme, fake.url, credentials={"api_key": KEY})
        work()

        started = self.start(acme, provider, grace_seconds=60)
        assert by_name(acme, provider)["default"]["state"] == "active"
        work()

        assert acme.client.get(started["Location"]).json()["state"] == "passed"
        rows = by_name(acme, provider)
        assert (rows["default"]["state"], rows["default-2"]["state"]) == ("grace", "active")
        assert rows["default"]["fields"]["api_key"]["set"] is True
        assert fake.requests("/v1/models")[-1].key == NEW_KEY

        end_graces(timezone.now() + timedelta(seconds=61))

        ended = by_name(acme, provider)["default"]
        assert (ended["state"], ended["fields"]["api_key"]) == ("revoked", {"set": False})

    def test_new_values_that_are_refused_stay_staged_and_the_provider_is_as_it_was(self, acme, fake, work):
        fake.dial.api_keys = {KEY}
        provider = register(acme, fake.url, credentials={"api_key": KEY})
        work()

        started = self.start(acme, provider)
        work()

        assert acme.client.get(started["Location"]).json()["diagnosis"]["code"] == "auth_failed"
        rows = by_name(acme, provider)
        assert (rows["default"]["state"], rows["default-2"]["state"]) == ("active", "staged")
        assert rows["default-2"]["last_error"] == "auth_failed"
        assert acme.client.get(f"{acme.path}/providers/{provider['id']}").json()["state"] == "healthy"
        assert Credential.objects.for_tenant(acme.id).filter(state="active").count() == 1
