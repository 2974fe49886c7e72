"""Fields that are not the caller's to set: every column of every table and all that answers show, offered to every
operation that writes. Each is refused by its name, and nothing changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from django.apps import apps

from tests.security.operations import Operation
from tests.security.test_every_operation_succeeds import who_calls
from tests.security.world import World, make_world, rows_of

pytestmark = pytest.mark.any_database

FREE = {"metadata", "parameters", "extra_headers", "input", "credentials", "fields"}  # names are the caller's own
TEMPTING = {
    *("tenant", "tenant_id", "tenant_slug", "owner", "owner_id", "user", "user_id", "is_staff", "is_superuser"),
    *("role", "scopes", "state", "lease_token", "lease_owner", "cost", "acts_as_owner", "created_by", "blob", "digest"),
    *("__proto__", "constructor", "pk", "id", "_state", "save", "endpoint", "policy", "kek_id", "seq", "hash"),
}


@pytest.fixture
def world(transactional_db: None) -> World:
    return make_world()


def columns() -> set[str]:
    ours = [model for model in apps.get_models() if model._meta.app_label in ("tenants", "providers")]
    return {name for model in ours for field in model._meta.concrete_fields for name in (field.name, field.attname)}


def properties(schema: Any, document: Mapping[str, Any]) -> dict[str, Any]:
    """Of an object, or of a list's objects, through references."""
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "items" in schema:
        return properties(schema["items"], document)
    found = dict(schema.get("properties", {}))
    for part in (*schema.get("allOf", ()), *schema.get("oneOf", ()), *schema.get("anyOf", ())):
        found |= properties(part, document)
    return found


def shown_by(operations: list[Operation], document: Mapping[str, Any]) -> set[str]:
    schemas = [
        content["schema"]
        for operation in operations
        for answer in operation.described["responses"].values()
        for content in answer.get("content", {}).values()
        if "schema" in content
    ]
    return {name for schema in schemas for name in properties(schema, document)}


def writes(operations: list[Operation]) -> Iterator[Operation]:
    """What a JSON body of ours is sent to; the bodies of `/v1` are the model server's."""
    for operation in operations:
        if operation.method in ("post", "patch", "put") and not operation.is_data_plane:
            yield operation


def known_to(operation: Operation, document: Mapping[str, Any]) -> dict[str, Any]:
    content = operation.described.get("requestBody", {}).get("content", {}).get("application/json", {})
    return properties(content.get("schema", {}), document)


def places_in(known: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where fields are named: the body itself, its objects, and the objects of its lists, as errors name them."""
    yield "", dict(known)
    for name, schema in known.items():
        inner = properties(schema, document)
        if inner and name not in FREE:
            yield f"{name}.0." if "items" in schema else f"{name}.", inner


def put(place: str, extra: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
    name, _, rest = place.partition(".")
    return {**right, name: [extra] if rest else extra} if name else {**right, **extra}


def named_in(answer: Any) -> set[str]:
    return {error["field"] for error in answer.json().get("errors", ()) if error["code"] == "unknown_field"}


def batches(names: list[str]) -> Iterator[list[str]]:
    """As many as one answer names."""
    for start in range(0, len(names), 20):
        yield names[start : start + 20]


def test_no_write_takes_a_field_that_is_not_the_callers(connect, world, operations):
    document = connect().get("/api/schema/").json()
    tempting = columns() | shown_by(operations, document) | TEMPTING
    before = rows_of(world.acme.team), rows_of(world.globex.team)
    taken: list[str] = []
    tried = 0
    for operation in writes(operations):
        client = connect(world.named(who_calls(operation)).headers)
        known = known_to(operation, document)
        right = operation.body(world.acme.ids) or {}
        for place, inner in places_in(known, document):
            for names in batches(sorted(tempting - set(inner))):
                body = put(place, dict.fromkeys(names, "x"), right)
                answer = client.request(operation.method, operation.at(world.acme.ids), json=body)
                missing = {f"{place}{name}" for name in names} - named_in(answer)
                taken += [f"{operation} ({answer.status_code}): {name}" for name in missing]
        tried += 1

    assert not taken, "\n".join(sorted(taken))
    assert len(tempting) > 150
    assert tried > 25
    assert (rows_of(world.acme.team), rows_of(world.globex.team)) == before
