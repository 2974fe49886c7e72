"""An ETag is a version that only edits move; `If-Match` keeps one editor from undoing another."""

import pytest

from tenants.models import ApiKey

pytestmark = pytest.mark.django_db


def patch(client, path, body, **headers):
    return client.patch(path, body, content_type="application/json", headers=headers)


def test_an_edit_moves_the_etag(acme):
    before = acme.client.get(acme.path).headers["ETag"]
    answer = patch(acme.client, acme.path, {"name": "New"}, **{"If-Match": before})

    assert answer.status_code == 200
    assert answer.headers["ETag"] != before
    assert acme.client.get(acme.path).headers["ETag"] == answer.headers["ETag"]


def test_a_stale_edit_changes_nothing(acme):
    stale = acme.client.get(acme.path).headers["ETag"]
    patch(acme.client, acme.path, {"name": "First"})

    answer = patch(acme.client, acme.path, {"name": "Second"}, **{"If-Match": stale})

    assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")
    assert acme.client.get(acme.path).json()["name"] == "First"


def test_a_star_and_a_list_are_understood(acme):
    etag = acme.client.get(acme.path).headers["ETag"]

    assert patch(acme.client, acme.path, {"name": "New"}, **{"If-Match": f'"77", {etag}'}).status_code == 200
    assert patch(acme.client, acme.path, {"name": "Newer"}, **{"If-Match": "*"}).status_code == 200


def test_a_stale_revocation_revokes_nothing(acme):
    id = acme.client.post(f"{acme.path}/api-keys", {"name": "ci"}).json()["id"]
    path = f"{acme.path}/api-keys/{id}"
    stale = acme.client.get(path).headers["ETag"]
    patch(acme.client, path, {"name": "deploy"})

    assert acme.client.delete(path, headers={"If-Match": stale}).status_code == 412
    assert ApiKey.unscoped.get(pk=id).revoked_at is None


def test_use_does_not_move_the_etag(acme):
    path = f"{acme.path}/api-keys/{acme.api_key.id}"
    before = acme.client.get(path).headers["ETag"]
    ApiKey.unscoped.update(last_used_at=None)

    assert acme.client.get(path).headers["ETag"] == before


def test_an_edit_that_changes_nothing_does_not_move_it_either(acme):
    before = acme.client.get(acme.path).headers["ETag"]

    assert patch(acme.client, acme.path, {"name": "Acme"}).headers["ETag"] == before
