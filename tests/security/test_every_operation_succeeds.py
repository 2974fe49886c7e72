"""Every operation of the OpenAPI document answers a right call with 2xx, and in the shape that the document gives."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from tests.fakes.localai import FakeLocalAI
from tests.security.operations import ANYBODY_IN_PERSON, FOR_ANYBODY_KNOWN, STAFF_IN_PERSON, Operation
from tests.security.world import SORTS, World, make_world


@pytest.fixture
def localai(settings: Any) -> Iterator[FakeLocalAI]:
    settings.EGRESS_ALLOW = ["127.0.0.0/8"]
    with FakeLocalAI() as server:
        for name, sort in SORTS.items():
            server.add(name, sort)
        yield server


@pytest.fixture
def world(transactional_db: None, localai: FakeLocalAI) -> World:
    return make_world(localai.url)


def in_an_order_that_works(operations: list[Operation]) -> list[Operation]:
    """What takes something away comes last, the inner things before those that hold them."""
    takes_away = ("credentials_revoke", "providers_disable", "models_disable")

    def place(operation: Operation) -> tuple[int, int]:
        return (2 if operation.method == "delete" else int(operation.id in takes_away), -operation.path.count("/"))

    return sorted(operations, key=place)


def who_calls(operation: Operation) -> str:
    if operation.id in STAFF_IN_PERSON:
        return "operator"
    if operation.id in ANYBODY_IN_PERSON:
        return "somebody of no tenant"
    return "acme owner's key" if operation.is_data_plane else "acme owner"


def faults_of(operation: Operation, answer: httpx.Response, document: dict[str, Any]) -> list[str]:
    """What is not as the document says."""
    if not 200 <= answer.status_code < 300:
        return [f"{operation}: {answer.status_code} {answer.text[:200]}"]
    promised = operation.described["responses"].get(str(answer.status_code))
    if promised is None:
        return [f"{operation}: the document knows no {answer.status_code}"]
    content = promised.get("content", {})
    media_type = answer.headers.get("content-type", "").partition(";")[0]
    if not any(fnmatch(media_type, known) for known in content):
        return [] if not content and not answer.content else [f"{operation}: the document knows no {media_type!r}"]
    if media_type != "application/json":
        return []
    schema = {**content[media_type]["schema"], "components": document["components"]}
    errors = Draft202012Validator(schema).iter_errors(answer.json())
    return [f"{operation}: {error.json_path}: {error.message[:200]}" for error in errors]


def test_every_operation_answers_a_right_call_as_the_document_says(connect, world, operations):
    document = connect().get("/api/schema/").json()
    clients = {
        name: connect(world.named(name).headers)
        for name in ("acme owner", "acme owner's key", "operator", "somebody of no tenant")
    }
    faults = []
    for operation in in_an_order_that_works(operations):
        parameters = {"cascade": "true"} if "cascade" in operation.query_parameters else {}
        answer = clients[who_calls(operation)].request(
            operation.method, operation.at(world.acme.ids), **operation.sent(world.acme.ids), params=parameters
        )
        faults += faults_of(operation, answer, document)

    assert len(operations) > 70
    assert set(FOR_ANYBODY_KNOWN) < {operation.id for operation in operations}
    assert "\n".join(faults) == ""
