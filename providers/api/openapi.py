"""Put the addresses that are answered beside Django into the OpenAPI document: a hook of drf-spectacular.

Each part is a module with `PATHS` (path → method → operation) and `SCHEMAS` (name → schema). Parameters have the names
that Django's views use for them, since a path item may be shared by both.
"""

from __future__ import annotations

from typing import Any

from providers.api import openapi_jobs, openapi_v1, openapi_v1_sound, openapi_validations

PARTS = [openapi_jobs, openapi_validations, openapi_v1, openapi_v1_sound]


def add_what_stands_beside_django(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """POSTPROCESSING_HOOKS calls it with the document of Django's views."""
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    for part in PARTS:
        schemas.update(part.SCHEMAS)
        for path, operations in part.PATHS.items():
            result["paths"].setdefault(path, {}).update(operations)
    result["paths"] = dict(sorted(result["paths"].items()))
    result["components"]["schemas"] = dict(sorted(schemas.items()))
    return result
