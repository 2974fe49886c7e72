"""A stranger learns nothing: what is another tenant's looks exactly like what does not exist."""

import pytest

from tenants.ids import new_id
from tenants.models import ApiKey, Membership
from tests.factories import ApiClient

pytestmark = pytest.mark.django_db

PATHS = ["", "/members", "/api-keys", "/audit-events", "/members/{id}", "/api-keys/{id}"]


def seen(answer):
    """Everything but what names the one request."""
    body = {**answer.json(), "request_id": None}
    headers = {name: value for name, value in answer.headers.items() if name not in ("X-Request-Id", "Date")}
    return answer.status_code, body, headers


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_another_tenant_looks_like_none(acme, globex, method, path):
    id = new_id()
    there = globex.client.generic(method, acme.path + path.format(id=id), "{}")
    nowhere = globex.client.generic(method, "/api/v1/tenants/nobody" + path.format(id=id), "{}")

    assert there.status_code == 404
    assert seen(there) == seen(nowhere)


def test_a_person_gets_the_same_as_a_key(acme, globex):
    browser = ApiClient()
    browser.force_login(globex.owner)

    assert seen(browser.get(acme.path)) == seen(globex.client.get(acme.path))


@pytest.mark.parametrize("resource", ["members", "api-keys"])
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_a_foreign_an_unknown_and_a_malformed_id_are_one_answer(acme, globex, method, resource):
    rows = {"members": Membership, "api-keys": ApiKey}
    foreign = rows[resource].objects.for_tenant(globex.id).first().id
    body = {"members": '{"role": "viewer"}', "api-keys": '{"name": "mine"}'}[resource]

    answers = [
        acme.client.generic(method, f"{acme.path}/{resource}/{id}", body)
        for id in (foreign, new_id(), "nonsense", "1", "%00", "../tenants")
    ]

    assert [answer.status_code for answer in answers] == [404] * 6
    assert all(seen(answer) == seen(answers[0]) for answer in answers[:4])
    assert rows[resource].objects.for_tenant(globex.id).filter(pk=foreign).exists()


def test_lists_hold_only_what_is_the_tenants_own(acme, globex):
    emails = [row["user"]["email"] for row in acme.client.get(f"{acme.path}/members").json()["results"]]
    keys = [row["id"] for row in acme.client.get(f"{acme.path}/api-keys").json()["results"]]
    tenants = [row["slug"] for row in acme.client.get("/api/v1/tenants").json()["results"]]

    assert emails == ["owner@acme.example"]
    assert keys == [str(acme.api_key.id)]
    assert tenants == ["acme"]


@pytest.mark.parametrize("slug", ["ACME", "acme ", "acme%00", "%2e%2e", "a" * 500, "acme'--"])
def test_a_slug_that_is_none_is_404(acme, slug):
    person = ApiClient()
    person.force_login(acme.owner)

    for client in (acme.client, person):
        assert client.get(f"/api/v1/tenants/{slug}").status_code == 404
