"""Lists come in pages that neither skip nor repeat a row, however the rows change in between."""

import base64
import json

import pytest

from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def names(acme):
    for name in ("b", "d", "a", "c", "c", "e"):
        acme.client.post(f"{acme.path}/api-keys", {"name": name})
    return lambda query: walk(acme, f"{acme.path}/api-keys{query}", "next")


def walk(acme, url, direction):
    seen = []
    while url:
        page = acme.client.get(url).json()
        seen.append([row["name"] for row in page["results"]])
        url = page[direction]
    return seen


def test_the_newest_come_first(names):
    assert names("?limit=3") == [["e", "c", "c"], ["a", "d", "b"], ["owner key"]]


def test_rows_can_be_ordered_by_what_they_share(names):
    assert names("?limit=2&ordering=name") == [["a", "b"], ["c", "c"], ["d", "e"], ["owner key"]]
    assert names("?limit=3&ordering=-name") == [["owner key", "e", "d"], ["c", "c", "b"], ["a"]]


def test_a_page_that_is_exactly_full_is_the_last(names):
    assert names("?limit=7") == [["e", "c", "c", "a", "d", "b", "owner key"]]


def test_previous_goes_back_the_same_way(acme, names):
    first = acme.client.get(f"{acme.path}/api-keys?limit=2").json()
    second = acme.client.get(first["next"]).json()
    third = acme.client.get(second["next"]).json()
    back = acme.client.get(third["previous"]).json()

    assert first["previous"] is None
    assert back["results"] == second["results"]
    assert acme.client.get(back["previous"]).json()["results"] == first["results"]
    assert acme.client.get(back["next"]).json()["results"] == third["results"]


def test_a_row_that_comes_in_between_is_neither_skipped_nor_repeated(acme, names):
    first = acme.client.get(f"{acme.path}/api-keys?limit=3").json()
    acme.client.post(f"{acme.path}/api-keys", {"name": "z"})

    rest = walk(acme, first["next"], "next")

    assert rest == [["a", "d", "b"], ["owner key"]]


def test_a_cursor_outlives_the_row_it_points_at(acme, names):
    first = acme.client.get(f"{acme.path}/api-keys?limit=3").json()
    acme.client.delete(f"{acme.path}/api-keys/{first['results'][-1]['id']}")

    assert walk(acme, first["next"], "next") == [["a", "d", "b"], ["owner key"]]


def test_other_parameters_stay_in_the_links(acme, names):
    first = acme.client.get(f"{acme.path}/api-keys?limit=3&ordering=-name").json()

    assert "limit=3" in first["next"]
    assert "ordering=-name" in first["next"]


def test_an_empty_list_is_a_page(acme):
    page = acme.client.get(f"{acme.path}/audit-events?action=nothing.happened").json()

    assert page == {"results": [], "next": None, "previous": None}


def forged(*parts):
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


CURSORS = {
    "empty": "",
    "garbage": "%%%",
    "base64 of garbage": "aGVsbG8",
    "not ASCII": "ä",
    "a number": forged(5),
    "no values": forged(["-id"], [], False),
    "no id": forged(["-id"], ["nonsense"], False),
    "null": forged(["-id"], [None], False),
    "an object": forged(["-id"], [{"a": 1}], False),
    "another ordering": forged(["-digest"], ["a"], False),
    "no direction": forged(["-id"], ["01a202e9-29a2-70f9-9f0c-c44ea8a03f09"], "x"),
    "huge": "A" * 10_000,
}


@pytest.mark.parametrize("cursor", CURSORS)
def test_a_malformed_cursor_is_400(acme, cursor):
    answer = acme.client.get(f"{acme.path}/api-keys", {"cursor": CURSORS[cursor]})

    assert (answer.status_code, answer.json()["code"]) == (400, "cursor_invalid")


@pytest.mark.parametrize("limit", ["0", "201", "-1", "1.5", "ten", "", "9" * 30, "٣"])
def test_a_limit_outside_1_to_200_is_400(acme, limit):
    answer = acme.client.get(f"{acme.path}/members", {"limit": limit})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_parameter")
    assert answer.json()["errors"][0]["field"] == "limit"


@pytest.mark.parametrize("ordering", ["digest", "-", "", "name,digest", "tenant__slug", "?", "name,name,name,name"])
def test_an_ordering_that_is_not_offered_is_400(acme, ordering):
    answer = acme.client.get(f"{acme.path}/api-keys", {"ordering": ordering})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_parameter")


def test_fifty_rows_come_unless_asked_otherwise(acme):
    from tenants.actors import SYSTEM
    from tenants.members import add_member

    for number in range(55):
        add_member(acme.id, make_user(f"p{number}@acme.example"), role="viewer", by=SYSTEM)

    assert len(acme.client.get(f"{acme.path}/members").json()["results"]) == 50
    assert len(acme.client.get(f"{acme.path}/members?limit=200").json()["results"]) == 56
