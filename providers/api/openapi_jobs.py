"""Submitting a job and following its events, in the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

from providers.jobs.operations import OPERATIONS
from providers.jobs.orders import (
    BATCH_DEADLINE_SECONDS,
    DEADLINE_SECONDS,
    MOST_DEADLINE_SECONDS,
    MOST_NAME_CHARS,
    PRIORITIES,
    RESTARTS,
)

Schema = dict[str, Any]

SECURITY: Final[list[Schema]] = [{"apiKey": []}, {"sessionToken": []}, {"sessionCookie": []}]
TENANT: Final[Schema] = {
    "in": "path",
    "name": "tenant",
    "schema": {"type": "string"},
    "required": True,
}
JOB: Final[Schema] = {"in": "path", "name": "job", "schema": {"type": "string"}, "required": True}
PROBLEM: Final[Schema] = {
    "description": "A problem of RFC 9457.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


def event_of(*names: str) -> Schema:
    """One event of a stream; `data` is JSON."""
    return {
        "type": "object",
        "properties": {
            "event": {"type": "string", "examples": list(names)},
            "data": {"type": "string", "contentMediaType": "application/json"},
            "id": {"type": "string"},
        },
    }


def refusals(*statuses: str) -> Schema:
    return dict.fromkeys((*statuses, "default"), PROBLEM)


def header(name: str, description: str) -> Schema:
    return {"in": "header", "name": name, "schema": {"type": "string"}, "description": description}


_NEW_JOB: Final[Schema] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["operation", "input"],
    "properties": {
        "model": {
            "type": ["string", "null"],
            "minLength": 1,
            "maxLength": MOST_NAME_CHARS,
            "description": "Left out, or `default`: the tenant's default model of the operation's type.",
        },
        "operation": {"type": "string", "enum": list(OPERATIONS)},
        "input": {
            "type": "object",
            "description": "The OpenAI body of the operation, without `model` and `stream`. Fields that OpenAI does "
            "not know pass to the model server.",
        },
        "priority": {"type": "string", "enum": list(PRIORITIES), "default": "normal"},
        "deadline_seconds": {
            "type": "integer",
            "minimum": 1,
            "maximum": MOST_DEADLINE_SECONDS,
            "description": f"From now to the end, waiting included: {DEADLINE_SECONDS} unless said, "
            f"{BATCH_DEADLINE_SECONDS} for priority batch.",
        },
        "restart": {
            "type": "string",
            "enum": list(RESTARTS),
            "default": "always",
            "description": "Whether a job that is cut off after its first token runs again, with `event: restart`.",
        },
        "metadata": {"type": "object", "description": "The caller's own; given back as it is."},
    },
}
_UNSTREAMED: Final[Schema] = {  # jobs that end without a delta before
    "Rerank": {
        "value": {
            "model": "bge-reranker-v2-m3",
            "operation": "rerank",
            "input": {"query": "How do I change my password?", "documents": ["In the settings.", "It will rain."]},
        }
    },
    "Moderation": {
        "value": {"model": "llama-guard", "operation": "moderations", "input": {"input": "I will find you."}}
    },
    "Image": {
        "value": {
            "model": "stablediffusion",
            "operation": "images.generations",
            "input": {"prompt": "A lighthouse at dusk", "size": "512x512"},
        }
    },
}
_SUBMIT: Final[Schema] = {
    "operationId": "jobs_create",
    "description": "Submit a job. The answer comes once the job is committed; a worker runs it.",
    "tags": ["jobs"],
    "parameters": [
        TENANT,
        header("Idempotency-Key", "The same key and body within 24 hours submit one job and get the same answer."),
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/NewJob"},
                "examples": {
                    "Chat": {
                        "value": {
                            "model": "gpt-3.5-turbo",
                            "operation": "chat.completions",
                            "input": {"messages": [{"role": "user", "content": "Why is the sky blue?"}]},
                        }
                    },
                    **_UNSTREAMED,
                },
            }
        },
    },
    "security": SECURITY,
    "responses": {
        "202": {
            "description": "Committed. `Location` is the job to poll.",
            "headers": {"Location": {"schema": {"type": "string"}}},
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Job"}}},
        },
        **refusals("400", "401", "403", "404", "409", "413", "415", "422", "429"),
    },
}
_EVENTS: Final[Schema] = {
    "operationId": "jobs_events",
    "description": "Server-sent events of a job, from the start or after a cursor: `status`, `delta` (one chunk of "
    "the model server), `restart` (discard what came before), `gap` (deltas are lost), and at the end `done` with the "
    "whole job. Comments keep the line alive.",
    "tags": ["jobs"],
    "parameters": [
        TENANT,
        JOB,
        header("Last-Event-ID", "Go on after the event of this `id`. Wins over `after`."),
        {"in": "query", "name": "after", "schema": {"type": "string"}, "description": "The same, for links."},
    ],
    "security": SECURITY,
    "responses": {
        "200": {
            "description": "The stream; it ends after `done`.",
            "content": {"text/event-stream": {"schema": {"$ref": "#/components/schemas/JobEvent"}}},
        },
        "204": {"description": "The cursor is that of `done`: nothing follows."},
        **refusals("400", "401", "403", "404"),
    },
}

SCHEMAS: Final[Schema] = {
    "NewJob": _NEW_JOB,
    "JobEvent": event_of("status", "delta", "restart", "gap", "done"),
}
PATHS: Final[dict[str, Schema]] = {
    "/api/v1/tenants/{tenant}/jobs": {"post": _SUBMIT},
    "/api/v1/tenants/{tenant}/jobs/{job}/events": {"get": _EVENTS},
}
