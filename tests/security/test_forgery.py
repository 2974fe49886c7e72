"""Another site's page can make a browser send its cookies, and nothing else: no write may rest on them alone."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from tests.security.operations import Operation
from tests.security.world import World, make_world, rows_of

pytestmark = pytest.mark.any_database

Connect = Callable[..., httpx.Client]


@pytest.fixture
def world(transactional_db: None) -> World:
    return make_world()


def cookie_of(world: World, name: str) -> dict[str, str]:
    return {"Cookie": f"sessionid={world.named(name).headers['X-Session-Token']}"}


def test_no_write_of_the_control_plane_rests_on_a_cookie_alone(connect: Connect, world, operations: list[Operation]):
    before = rows_of(world.acme.team)
    browser = connect(cookie_of(world, "acme owner"))
    writes = [one for one in operations if one.method != "get" and not one.is_data_plane]
    took = []
    for write in writes:
        answer = browser.request(write.method, write.at(world.acme.ids), json=write.body(world.acme.ids))
        if (answer.status_code, answer.json().get("code")) != (403, "csrf_failed"):
            took.append((write.id, answer.status_code))

    assert browser.get("/api/v1/me").status_code == 200
    assert len(writes) > 35
    assert took == []
    assert rows_of(world.acme.team) == before


def test_beside_a_key_or_a_session_token_a_cookie_counts_for_nothing(connect: Connect, world, operations):
    """Neither asked for its CSRF token, nor believed."""
    by_id = {operation.id: operation for operation in operations}
    rename = by_id["tenants_update"]
    for name in ("acme owner's key", "acme owner"):
        client = connect({**world.named(name).headers, **cookie_of(world, "globex owner")})
        assert client.patch(rename.at(world.acme.ids), json={"name": "Acme"}).status_code == 200
        assert client.patch(rename.at(world.globex.ids), json={"name": "Acme"}).status_code == 404
    for name in ("acme revoked key", "mistyped key"):
        client = connect({**world.named(name).headers, **cookie_of(world, "acme owner")})
        assert client.get("/api/v1/me").status_code == 401


def test_the_data_plane_knows_no_cookies_at_all(connect: Connect, world, operations):
    browser = connect(cookie_of(world, "acme owner"))
    calls = [operation for operation in operations if operation.is_data_plane]
    answers = {call.id: browser.request(call.method, call.at(world.acme.ids)).status_code for call in calls}

    assert set(answers.values()) == {401}, answers


def test_the_accounts_and_the_admin_ask_for_their_tokens(connect: Connect, world):
    browser = connect(cookie_of(world, "operator"))
    forged = [
        browser.post("/_allauth/browser/v1/account/password/change", json={"new_password": "a-brand-new-horse"}),
        browser.delete("/_allauth/browser/v1/auth/session"),
        browser.post("/admin/tenants/tenant/add/", data={"slug": "evil", "name": "Evil"}),
        browser.post("/admin/login/", data={"username": "ops@platform.example", "password": "x"}),
        browser.post("/admin/logout/"),
    ]

    assert [answer.status_code for answer in forged] == [403] * 5
    assert browser.get("/admin/").status_code == 200
