"""Clients are generated from these names: what stands in operations.txt stays, and what is new is added on purpose.

After adding an endpoint: `python -m tests.guards.test_operations > tests/guards/operations.txt`, and read the diff.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

METHODS = ("get", "post", "put", "patch", "delete")
SNAPSHOT = Path(__file__).with_name("operations.txt")


def document() -> dict[str, Any]:
    found: dict[str, Any] = Client(headers={"host": "localhost"}).get("/api/schema/").json()
    return found


def lines(document: dict[str, Any]) -> list[str]:
    operations = [
        f"{operation['operationId']}  {method.upper()} {path}  [{', '.join(operation['tags'])}]"
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]
    enums = [
        f"enum {name}: {' '.join(map(str, schema['enum']))}"
        for name, schema in document["components"]["schemas"].items()
        if "enum" in schema
    ]
    return sorted(operations) + sorted(enums)


def test_names_paths_and_enums_are_the_promised_ones():
    assert lines(document()) == SNAPSHOT.read_text().splitlines()


def test_each_operation_has_one_tag_and_a_name_of_its_own():
    operations = [
        operation for item in document()["paths"].values() for method, operation in item.items() if method in METHODS
    ]

    assert all(len(operation["tags"]) == 1 for operation in operations)
    assert len({operation["operationId"] for operation in operations}) == len(operations)


def test_every_route_that_is_served_is_in_the_document():
    from providers.gateway.app import routes
    from providers.gateway.v1 import ENDPOINTS, ONE_MODEL, PREFIX

    documented = {shape(path) for path in document()["paths"]}
    django = {shape(path) for path in walk(get_resolver()) if path.startswith("/api/v1/")}
    starlette = {shape(route.path) for route in routes() if route.path != "/v1"}
    data_plane = {shape(PREFIX + path) for path in [*ENDPOINTS, f"{ONE_MODEL}{{name}}"]}

    assert django | starlette | data_plane == documented


def walk(resolver: URLResolver, prefix: str = "/") -> Iterator[str]:
    for entry in resolver.url_patterns:
        here = prefix + str(entry.pattern)
        if isinstance(entry, URLPattern):
            yield here
        else:
            yield from walk(entry, here)


def shape(path: str) -> str:
    """The path with its parameters nameless and without converters."""
    return re.sub(r"[<{][^>}]+[>}]", "{}", path.rstrip("/"))


if __name__ == "__main__":
    import django

    django.setup()
    print("\n".join(lines(document())))
