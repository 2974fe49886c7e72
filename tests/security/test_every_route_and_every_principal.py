"""Every operation of the OpenAPI document, and everybody who might call it, through the whole web process.

What is expected follows from what each view says that it needs. Whoever is a stranger sends a right body with ids that
exist: the answer must be the one that a tenant which does not exist would give.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import orjson

from tenants.ids import new_id
from tenants.permissions import ROLE_SCOPES, SCOPES
from tests.factories import bearer
from tests.security.operations import (
    ANYBODY_IN_PERSON,
    FOR_ANYBODY_KNOWN,
    OWNER_IN_PERSON,
    STAFF_IN_PERSON,
    Operation,
)
from tests.security.world import Principal, World, rows_of

LET_IN = "let in"
NO_BODY_OF_OURS = {"surprise": True}
NO_CALL_OF_OURS = {"model": 5}


def expected(principal: Principal, operation: Operation) -> int | str:
    """In acme's addresses, and with acme's ids."""
    if principal.is_refused or not principal.headers:
        return 401
    if operation.id in FOR_ANYBODY_KNOWN:
        return LET_IN
    if operation.id in STAFF_IN_PERSON:
        return LET_IN if principal.is_staff else 403
    if operation.id in ANYBODY_IN_PERSON:
        return 403 if principal.is_key else LET_IN
    if operation.is_data_plane and not principal.is_key:
        return 401
    if principal.of == "initech" and operation.is_data_plane:
        return 403
    if principal.of != "acme" and not operation.is_data_plane:
        return 404
    return LET_IN if _holds_what_it_takes(principal, operation) else 403


def _holds_what_it_takes(principal: Principal, operation: Operation) -> bool:
    if operation.id in OWNER_IN_PERSON:
        return principal.role == "owner" and not principal.is_key
    held = ROLE_SCOPES[principal.role]
    if principal.scopes is not None:
        held &= principal.scopes
    return not operation.scopes or not held.isdisjoint(operation.scopes)


def call(client: httpx.Client, operation: Operation, path: str, body: Any) -> httpx.Response:
    """Nothing is changed where it is let in: the version is stale, the deletion a rehearsal."""
    parameters = {"dry_run": "true"} if operation.method == "delete" else {}
    return client.request(operation.method, path, json=body, params=parameters, headers={"If-Match": '"stale"'})


def harmless(operation: Operation) -> Any:
    """A body that is refused as soon as the caller has been let in."""
    if not operation.takes_a_body:
        return None
    return NO_CALL_OF_OURS if operation.is_data_plane else NO_BODY_OF_OURS


def seen(answer: httpx.Response) -> tuple[object, ...]:
    """All that tells one refusal from another."""
    body = {**answer.json(), "request_id": None}
    headers = {k: v for k, v in answer.headers.items() if k not in ("x-request-id", "date", "content-length")}
    return answer.status_code, body, headers


def is_as_expected(answer: httpx.Response, wanted: int | str) -> bool:
    status = answer.status_code
    if wanted == LET_IN:
        return status < 500 and status not in (401, 403, 404)
    return status == wanted and (status != 401 or "www-authenticate" in answer.headers)


def test_everybody_gets_in_where_the_view_says_so_and_strangers_cannot_tell_a_tenant_from_none(
    connect, world, operations
):
    ids, nothing = world.acme.ids, dict.fromkeys(world.acme.ids, new_id())
    stranger = connect(world.named("globex owner's key").headers)
    before = rows_of(world.acme.team)
    nowhere = {
        operation.id: seen(call(stranger, operation, operation.at(nothing, tenant="nobody"), operation.body(ids)))
        for operation in operations
        if operation.is_in_a_tenant
    }
    differing = []
    for principal in sorted(world.principals, key=lambda principal: principal.of == "acme"):
        client = connect(principal.headers)
        for operation in operations:
            wanted = expected(principal, operation)
            body = harmless(operation) if wanted == LET_IN else operation.body(ids)
            answer = call(client, operation, operation.at(ids), body)
            if not is_as_expected(answer, wanted) or (wanted == 404 and seen(answer) != nowhere[operation.id]):
                differing.append((principal.name, operation.id, wanted, answer.status_code, answer.text[:120]))
        if principal.of != "acme":
            assert rows_of(world.acme.team) == before, f"{principal.name} left a trace"

    assert len(operations) > 70
    assert differing == []


def test_a_bad_credential_gets_the_same_at_a_tenant_as_at_none(connect, world):
    for principal in world.principals:
        if principal.is_refused or not principal.headers:
            client = connect(principal.headers)
            there, nowhere = (client.get(f"/api/v1/tenants/{slug}") for slug in ("acme", "nobody"))
            assert seen(there) == seen(nowhere), principal.name


def test_a_key_needs_the_scope_of_the_view_and_no_other(connect, world, operations):
    acme, ids = world.acme.team, world.acme.ids
    differing = []
    for scope in SCOPES:
        with_it = connect(bearer(acme.key_of(acme.owner, (scope,))))
        without_it = connect(bearer(acme.key_of(acme.owner, tuple(set(SCOPES) - {scope}))))
        for operation in operations:
            if operation.scopes == (scope,):
                refused = call(without_it, operation, operation.at(ids), operation.body(ids))
                taken = call(with_it, operation, operation.at(ids), harmless(operation))
                if refused.status_code != 403 or scope not in refused.text or not is_as_expected(taken, LET_IN):
                    differing.append((operation.id, refused.text, taken.text))

    assert differing == []


def test_inside_ones_own_tenant_anothers_ids_in_a_path_are_nothing(connect, world, operations):
    ours, theirs = world.globex.ids, world.acme.ids
    unknown = dict.fromkeys(theirs, new_id())
    before = rows_of(world.acme.team)
    client = connect(world.named("globex owner").headers)
    foreign_ids = [operation for operation in operations if operation.names_a_row]
    differing = [
        (operation.id, foreign.status_code, foreign.text)
        for operation in foreign_ids
        for foreign in [call(client, operation, operation.at(theirs, tenant="globex"), operation.body(ours))]
        for nothing in [call(client, operation, operation.at(unknown, tenant="globex"), operation.body(ours))]
        if foreign.status_code != 404 or seen(foreign) != seen(nothing)
    ]

    assert len(foreign_ids) > 25
    assert differing == []
    assert rows_of(world.acme.team) == before


def test_the_second_id_of_a_path_belongs_to_the_first(connect, world, operations):
    """A provider of one's own does not lead to what hangs on another's."""
    ours, theirs = world.globex.ids, world.acme.ids
    client = connect(world.named("globex owner").headers)
    nested = [operation for operation in operations if operation.path.count("{") > 2]
    found = [
        (operation.id, answer.status_code)
        for operation in nested
        for mixed in [{**theirs, "tenant": "globex", "provider": ours["provider"]}]
        for answer in [call(client, operation, operation.at(mixed), operation.body(ours))]
        if answer.status_code != 404
    ]

    assert len(nested) > 8
    assert found == []


def test_anothers_ids_in_a_body_are_as_unknown_as_any(connect, world, operations):
    ours, theirs = world.globex.ids, world.acme.ids
    unknown = {**ours, **dict.fromkeys(("provider", "model", "credential"), new_id())}
    before = rows_of(world.acme.team), rows_of(world.globex.team)
    client = connect(world.named("globex owner").headers)
    naming = [operation for operation in operations if operation.body(ours) != operation.body(theirs)]
    for operation in naming:
        foreign = client.request(operation.method, operation.at(ours), json=operation.body(theirs))
        nothing = client.request(operation.method, operation.at(ours), json=operation.body(unknown))

        assert foreign.status_code == 400, (operation.id, foreign.text)
        assert seen(foreign) == seen(nothing), operation.id

    assert {operation.id for operation in naming} >= {"models_create", "models_update", "default_models_update"}
    assert (rows_of(world.acme.team), rows_of(world.globex.team)) == before


def test_anothers_ids_and_names_in_a_query_find_nothing(connect, world, operations):
    """Filters, cursors, orderings: whatever stands in the query, no answer of globex holds a row of acme."""
    acme = world.acme.ids
    theirs = {str(value) for name, value in acme.items() if name not in ("kind", "name")}
    tempting = [str(acme["provider"]), str(acme["api_key"]), "acme", world.acme.team.owner.email]
    cursors = _cursors_of(connect, world, operations)
    client = connect(world.named("globex owner").headers)
    lists = [operation for operation in operations if operation.method == "get" and operation.query_parameters]
    told = [
        (operation.id, name, value, answer.text)
        for operation in lists
        for name in operation.query_parameters
        for value in (cursors if name == "cursor" else tempting)
        for answer in [client.get(operation.at(world.globex.ids), params={name: value})]
        if answer.status_code not in (200, 400) or _holds_any(answer, theirs)
    ]

    assert len(lists) > 8
    assert told == []


def _cursors_of(connect: Callable[..., httpx.Client], world: World, operations: list[Operation]) -> set[str]:
    """Where acme's own lists go on."""
    client = connect(world.named("acme owner").headers)
    pages = [
        client.get(operation.at(world.acme.ids), params={"limit": 1}).json()
        for operation in operations
        if "cursor" in operation.query_parameters
    ]
    links = [page["next"] for page in pages if page["next"]]
    assert links
    return {httpx.URL(link).params["cursor"] for link in links}


def _holds_any(answer: httpx.Response, words: set[str]) -> bool:
    """In what is told, not in the links that repeat what was asked."""
    if answer.status_code != 200:
        return False
    told = answer.text
    if answer.headers["content-type"] == "application/json":
        told = orjson.dumps({**answer.json(), "next": None, "previous": None}).decode()
    return any(f'"{word}"' in told for word in words)


def test_anothers_place_in_a_stream_leads_nowhere(connect, world):
    owner, stranger = connect(world.named("acme owner").headers), connect(world.named("globex owner").headers)
    path = "/api/v1/tenants/{tenant}/jobs/{job}/events"
    theirs = owner.get(path.format(**world.acme.ids))
    place = next(line for line in theirs.text.splitlines() if line.startswith("id: ")).removeprefix("id: ")

    answers = [
        stranger.get(path.format(**world.globex.ids), headers={"Last-Event-ID": place}),
        stranger.get(path.format(**world.globex.ids), params={"after": place}),
    ]

    assert "said to acme" in theirs.text
    assert all("said to acme" not in answer.text for answer in answers)
    assert stranger.get(path.format(**{**world.acme.ids, "tenant": "globex"})).status_code == 404


def test_an_idempotency_key_of_another_tenant_repeats_nothing(connect, world, operations):
    by_id = {operation.id: operation for operation in operations}
    create, once = by_id["providers_create"], {"Idempotency-Key": "the-same-key-0123456789"}
    answers = [
        connect(world.named(name).headers).post(create.at(holding.ids), json=create.body(holding.ids), headers=once)
        for name, holding in (("acme owner", world.acme), ("globex owner", world.globex))
    ]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["id"] != answers[1].json()["id"]
    assert "idempotent-replayed" not in answers[1].headers


def test_the_data_plane_knows_only_the_models_of_the_keys_own_tenant(connect, world):
    client = connect(world.named("globex owner's key").headers)

    assert {model["owned_by"] for model in client.get("/v1/models").json()["data"]} == {"box of globex"}
