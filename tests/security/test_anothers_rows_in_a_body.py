"""Another tenant's ids and names inside a body are as unknown as any: every field that the OpenAPI document says holds
an id, and every body that names a model, on both planes.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

import httpx

from providers.models import ModelEntry
from tenants.ids import new_id
from tests.security.operations import Operation
from tests.security.world import World, rows_of

FieldPath = tuple[str, ...]
TAKES_ANY_NAME = {"api_keys_create"}  # a list of what a key may call can name models that are still to come


def id_fields(document: Mapping[str, Any], schema: Mapping[str, Any], at: FieldPath = ()) -> Iterator[FieldPath]:
    """Where ids stand in a body of this schema; an item of a list is at "0"."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if schema.get("format") == "uuid":
        yield at
    for choice in (*schema.get("oneOf", ()), *schema.get("anyOf", ()), *schema.get("allOf", ())):
        yield from id_fields(document, choice, at)
    for name, below in schema.get("properties", {}).items():
        yield from id_fields(document, below, (*at, name))
    if isinstance(schema.get("items"), dict):
        yield from id_fields(document, schema["items"], (*at, "0"))


def fields_of(document: Mapping[str, Any], operation: Operation) -> list[FieldPath]:
    content = operation.described.get("requestBody", {}).get("content", {})
    found = {path for media in content.values() for path in id_fields(document, media.get("schema", {}))}
    return sorted(found)


def with_value(body: Any, path: FieldPath, value: str) -> Any:
    """The body with this value there; lists and objects on the way are made."""
    if not path:
        return value
    name, below = path[0], path[1:]
    if name == "0":
        return [with_value(None, below, value)]
    whole = copy.deepcopy(body) if isinstance(body, dict) else {}
    return {**whole, name: with_value(whole.get(name), below, value)}


def said(answer: httpx.Response, *words: str) -> tuple[object, ...]:
    """All that tells one refusal from another, but for the words that were sent."""
    text = answer.text
    for word in words:
        text = text.replace(word, "…")
    body = json.loads(text)
    body.pop("request_id", None)
    headers = {k: v for k, v in answer.headers.items() if k not in ("x-request-id", "date", "content-length")}
    return answer.status_code, body, headers


def test_no_id_of_another_tenant_means_anything_in_any_field_of_any_body(connect, world, operations):
    document = connect().get("/api/schema/").json()
    theirs = {str(value) for value in world.acme.ids.values() if isinstance(value, UUID)}
    before = rows_of(world.acme.team), rows_of(world.globex.team)
    client = connect(world.named("globex owner").headers)
    tried, differing = set(), []
    for operation in operations:
        for path in fields_of(document, operation):
            answers = {
                id_: client.request(
                    operation.method,
                    operation.at(world.globex.ids),
                    json=with_value(operation.body(world.globex.ids), path, id_),
                )
                for id_ in (str(new_id()), *theirs)
            }
            unknown, *foreign = (said(answer, id_) for id_, answer in answers.items())
            tried.add((operation.id, path))
            if unknown[0] != 400 or any(answer != unknown for answer in foreign):
                differing.append((operation.id, path, unknown, foreign))

    assert tried >= {("models_create", ("provider",)), ("default_models_update", ("llm",))}
    assert differing == []
    assert (rows_of(world.acme.team), rows_of(world.globex.team)) == before


def names_of_their_own(world: World) -> dict[str, str]:
    """Give acme's models names that nobody else has; by the names that the right bodies say."""
    models = list(ModelEntry.objects.for_tenant(world.acme.team.id))
    for model in models:
        ModelEntry.objects.for_tenant(world.acme.team.id).filter(pk=model.pk).update(name=f"acmes-{model.name}")
    return {model.name: f"acmes-{model.name}" for model in models}


def renamed(sent: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """What is sent, with other names for its models; a file stays."""
    files = {"files": sent["files"]} if "files" in sent else {}
    text = json.dumps({key: value for key, value in sent.items() if key != "files"})
    for name, other in names.items():
        text = text.replace(f'"{name}"', f'"{other}"')
    return {**json.loads(text), **files}


def test_a_model_of_another_tenant_is_as_unknown_as_any_to_whoever_names_it(connect, world, operations):
    foreign = names_of_their_own(world)
    nobodys = {name: other.replace("acmes-", "nobod-") for name, other in foreign.items()}
    client = connect(world.named("globex owner's key").headers)
    ours = world.globex.ids
    naming = [
        operation
        for operation in operations
        if operation.takes_a_body and renamed(operation.sent(ours), foreign) != operation.sent(ours)
    ]
    differing = []
    for operation in naming:
        answers = [
            client.request(operation.method, operation.at(ours), **renamed(operation.sent(ours), names))
            for names in (foreign, nobodys)
        ]
        there, nowhere = (said(answer, "acmes-", "nobod-") for answer in answers)
        is_let_in = there[0] == nowhere[0] == 201 and operation.id in TAKES_ANY_NAME
        if not is_let_in and (there[0] not in (400, 404) or there != nowhere):
            differing.append((operation.id, there, nowhere))

    assert {operation.id for operation in naming} >= {"jobs_create", "openai_chat_completions_create"}
    assert sum(operation.is_data_plane for operation in naming) >= 3
    assert differing == []


def test_a_model_of_another_tenant_is_not_there_to_be_looked_at(connect, world):
    foreign = names_of_their_own(world)["gpt-3.5-turbo"]
    client = connect(world.named("globex owner's key").headers)

    there, nowhere = (client.get(f"/v1/models/{name}") for name in (foreign, foreign.replace("acmes-", "nobod-")))

    assert there.status_code == 404
    assert said(there, "acmes-") == said(nowhere, "nobod-")
