"""Following a validation's steps, in the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

from providers.api.openapi_jobs import SECURITY, TENANT, event_of, refusals

Schema = dict[str, Any]

_STREAM: Final[Schema] = {
    "description": "The stream; it ends after `done`.",
    "content": {
        "text/event-stream": {
            "schema": {"$ref": "#/components/schemas/ValidationEvent"},
            "examples": {
                "A step": {
                    "value": 'event: step\ndata: {"step":"dns","ok":true,"code":"ok","elapsed_ms":2,"evidence":{}}\n\n'
                }
            },
        }
    },
}


def _events(operation_id: str, of: str, *parameters: str) -> Schema:
    ids = [
        {"in": "path", "name": name, "schema": {"type": "string"}, "required": True}
        for name in (*parameters, "validation")
    ]
    return {
        "operationId": operation_id,
        "description": f"Server-sent events of a validation of {of}: `step` (one finding, as in `steps`) as each ends, "
        "those that have ended first, then `done` with the whole run. Comments keep the line alive.",
        "tags": ["validations"],
        "parameters": [TENANT, *ids],
        "security": SECURITY,
        "responses": {"200": _STREAM, **refusals("401", "403", "404")},
    }


SCHEMAS: Final[Schema] = {"ValidationEvent": event_of("step", "done")}
PATHS: Final[dict[str, Schema]] = {
    "/api/v1/tenants/{tenant}/providers/{provider}/validations/{validation}/events": {
        "get": _events("validations_events", "a provider", "provider")
    },
    "/api/v1/tenants/{tenant}/validations/{validation}/events": {
        "get": _events("form_validations_events", "a form that is not saved")
    },
}
