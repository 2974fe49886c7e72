"""The audit log says who did what to which object, newest first, and can be narrowed."""

import pytest
import time_machine

from tests.factories import ApiClient

pytestmark = pytest.mark.django_db


@pytest.fixture
def events(acme):
    with time_machine.travel("2027-01-10T12:00:00Z", tick=False):
        acme.client.post(f"{acme.path}/api-keys", {"name": "ci"}, headers={"X-Request-Id": "request-of-ci"})
    browser = ApiClient()
    with time_machine.travel("2027-02-10T12:00:00Z", tick=False):
        browser.force_login(acme.owner)
        browser.patch(acme.path, {"name": "Acme & Sons"}, content_type="application/json")
    return lambda **asked: acme.client.get(f"{acme.path}/audit-events", asked).json()["results"]


def actions(found):
    return [one["action"] for one in found]


def test_an_event_tells_who_what_and_in_which_request(events, acme):
    (event,) = events(object="api_key", actor="owner key")

    assert event["actor"] == {"kind": "api_key", "id": str(acme.api_key.id), "label": "owner key"}
    assert (event["action"], event["object"]["label"]) == ("api_key.created", "ci")
    assert event["request_id"] == "request-of-ci"


def test_the_newest_come_first(events):
    assert actions(events())[:2] == ["tenant.changed", "api_key.created"]


def test_by_actor(events, acme):
    assert actions(events(actor="owner@acme.example")) == ["tenant.changed"]
    assert actions(events(actor=str(acme.owner.id))) == ["tenant.changed"]
    assert events(actor="nobody") == []


def test_by_action(events):
    assert actions(events(action="tenant.created")) == ["tenant.created"]


def test_by_object(events, acme):
    assert set(actions(events(object=str(acme.id)))) == {"tenant.created", "tenant.changed"}
    assert set(actions(events(object="member"))) == {"member.added"}


def test_by_time(events):
    window = {"from": "2027-01-10T12:00:00Z", "to": "2027-02-10T12:00:00Z"}

    assert actions(events(**window)) == ["api_key.created"]
    assert actions(events(**{"from": "2027-02-10T13:00:00+01:00"})) == ["tenant.changed"]


@pytest.mark.parametrize("text", ["yesterday", "2027-01-10T12:00:00", "", "1893456000"])
def test_a_time_that_is_none_is_400(acme, text):
    answer = acme.client.get(f"{acme.path}/audit-events", {"from": text})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_parameter")


@pytest.mark.parametrize("name", ["actor", "action", "object", "from", "unknown"])
def test_a_filter_with_nul_is_400(acme, name):
    answer = acme.client.get(f"{acme.path}/audit-events", {name: "a\x00"})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_parameter")
    assert answer.json()["errors"][0]["field"] == name


def test_nothing_changes_or_deletes_an_event(acme):
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert acme.client.generic(method, f"{acme.path}/audit-events").status_code == 405


def test_it_takes_the_right_to_read_it(acme):
    assert acme.client_with("audit:read").get(f"{acme.path}/audit-events").status_code == 200
    assert acme.client_with("admin").get(f"{acme.path}/audit-events").status_code == 403
