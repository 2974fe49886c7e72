"""`/v1`, the OpenAI-compatible data plane, in the OpenAPI document.

Request and answer schemas name what is needed and what is used most; fields beyond them pass through in both
directions, so that OpenAI's own documentation holds.
"""

from __future__ import annotations

from typing import Any, Final

Schema = dict[str, Any]

TAG: Final = "openai"
SECURITY: Final[list[Schema]] = [{"apiKey": []}]
MODEL: Final[Schema] = {
    "type": ["string", "null"],
    "description": "A model entry's name. Left out, or `default`: the tenant's default of the operation's type.",
    "examples": ["gpt-3.5-turbo"],
}
STREAMED: Final[Schema] = {
    "stream": {"type": ["boolean", "null"], "default": False},
    "stream_options": {"type": ["object", "null"], "properties": {"include_usage": {"type": ["boolean", "null"]}}},
}
LIST: Final[Schema] = {"type": "array", "minItems": 1, "description": "Of texts, of tokens, or of lists of tokens."}
PROMPT: Final[Schema] = {"oneOf": [{"type": "string"}, LIST]}
TEXTS: Final[Schema] = {"oneOf": [{"type": "string", "minLength": 1}, LIST]}


def open_object(required: list[str], properties: Schema) -> Schema:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": True}


_USAGE: Final = open_object(
    ["prompt_tokens", "total_tokens"],
    {name: {"type": "integer"} for name in ("prompt_tokens", "completion_tokens", "total_tokens")},
)
_MODEL_CARD: Final = open_object(
    ["id", "object", "created", "owned_by"],
    {
        "id": {"type": "string"},
        "object": {"type": "string", "const": "model"},
        "created": {"type": "integer"},
        "owned_by": {"type": "string", "description": "The provider's name."},
        "type": {"type": "string", "description": "The model entry's type, such as llm."},
    },
)


def _answer_of(kind: str) -> Schema:
    return open_object(
        ["id", "object", "created", "model", "choices", "usage"],
        {
            "id": {"type": "string"},
            "object": {"type": "string", "const": kind},
            "created": {"type": "integer"},
            "model": {"type": "string", "description": "As the caller named it."},
            "choices": {"type": "array", "items": {"type": "object"}},
            "usage": _USAGE,
        },
    )


SCHEMAS: Final[Schema] = {
    "OpenAIError": open_object(
        ["error"],
        {
            "error": {
                "type": "object",
                "required": ["message", "type", "param", "code"],
                "properties": {
                    "message": {"type": "string"},
                    "type": {"type": "string"},
                    "param": {"type": ["string", "null"]},
                    "code": {"type": "string", "description": "A code of docs/errors.md."},
                },
            }
        },
    ),
    "OpenAIChunk": {
        "type": "object",
        "description": "One event of a stream: a chunk as JSON, or `[DONE]`.",
        "properties": {"data": {"type": "string"}},
    },
    "OpenAIModel": _MODEL_CARD,
    "OpenAIModelList": open_object(
        ["object", "data"],
        {
            "object": {"type": "string", "const": "list"},
            "data": {"type": "array", "items": {"$ref": "#/components/schemas/OpenAIModel"}},
        },
    ),
    "ChatCompletionRequest": open_object(
        ["messages"],
        {"model": MODEL, "messages": {"type": "array", "minItems": 1, "items": {"type": "object"}}, **STREAMED},
    ),
    "ChatCompletion": _answer_of("chat.completion"),
    "CompletionRequest": open_object(["prompt"], {"model": MODEL, "prompt": PROMPT, **STREAMED}),
    "Completion": _answer_of("text_completion"),
    "EmbeddingRequest": open_object(
        ["input"],
        {"model": MODEL, "input": TEXTS, "encoding_format": {"type": ["string", "null"], "examples": ["base64"]}},
    ),
    "EmbeddingList": open_object(
        ["object", "model", "data", "usage"],
        {
            "object": {"type": "string", "const": "list"},
            "model": {"type": "string"},
            "data": {"type": "array", "items": {"type": "object"}},
            "usage": _USAGE,
        },
    ),
    "RerankRequest": open_object(
        ["query", "documents"],
        {
            "model": MODEL,
            "query": {"type": "string", "minLength": 1},
            "documents": {
                "type": "array",
                "minItems": 1,
                "items": {"oneOf": [{"type": "string"}, {"type": "object"}]},
                "description": "Texts; some servers take objects with a `text` too.",
            },
            "top_n": {"type": ["integer", "null"], "minimum": 1, "description": "All, unless said."},
        },
    ),
    "Rerank": open_object(
        ["model", "results", "usage"],
        {
            "model": {"type": "string"},
            "results": {
                "type": "array",
                "items": open_object(
                    ["index", "relevance_score"],
                    {
                        "index": {"type": "integer", "description": "The place among `documents`."},
                        "relevance_score": {"type": "number"},
                    },
                ),
            },
            "usage": _USAGE,
        },
    ),
    "ModerationRequest": open_object(
        ["input"],
        {
            "model": MODEL,
            "input": {
                "oneOf": [
                    {"type": "string", "minLength": 1},
                    {
                        "type": "array",
                        "minItems": 1,
                        "items": {
                            "oneOf": [{"type": "string", "minLength": 1}, {"type": "object", "minProperties": 1}]
                        },
                    },
                ],
                "description": "A text or several; or parts, for servers that look at pictures too.",
            },
        },
    ),
    "Moderation": open_object(
        ["id", "model", "results"],
        {
            "id": {"type": "string"},
            "model": {"type": "string"},
            "results": {
                "type": "array",
                "items": open_object(
                    ["flagged"],
                    {
                        "flagged": {"type": "boolean"},
                        "categories": {"type": "object"},
                        "category_scores": {"type": "object"},
                    },
                ),
            },
        },
    ),
    "ImageRequest": open_object(
        ["prompt"],
        {
            "model": MODEL,
            "prompt": {"type": "string", "minLength": 1},
            "n": {"type": ["integer", "null"], "minimum": 1},
            "size": {"type": ["string", "null"], "examples": ["512x512"]},
            "response_format": {
                "type": ["string", "null"],
                "enum": ["b64_json", None],
                "description": "Images come inside the answer, also where this is left out.",
            },
            "stream": {"type": ["boolean", "null"], "enum": [False, None], "description": "Images do not stream."},
        },
    ),
    "ImageList": open_object(
        ["created", "data"],
        {
            "created": {"type": "integer"},
            "data": {"type": "array", "items": open_object(["b64_json"], {"b64_json": {"type": "string"}})},
        },
    ),
}

_RATE_HEADERS: Final[Schema] = {
    f"x-ratelimit-{fact}-{sort}": {"schema": {"type": kind}, "description": f"{meaning} Only where a limit is set."}
    for sort in ("requests", "tokens")
    for fact, kind, meaning in (
        ("limit", "integer", f"How many {sort} a minute are allowed."),
        ("remaining", "integer", "How many of them are left now."),
        ("reset", "string", "In how long all of them are there again, such as `1s` or `6m0s`."),
    )
}
HEADERS: Final[Schema] = {
    "x-request-id": {"schema": {"type": "string"}},
    "x-provider": {"schema": {"type": "string"}, "description": "The id of the provider that served the call."},
    "x-queue-ms": {"schema": {"type": "integer"}, "description": "Milliseconds the call waited for a slot."},
    **_RATE_HEADERS,
}
CALL_REFUSALS: Final = ("400", "401", "403", "404", "408", "413", "429", "502", "503", "504")
_ERROR: Final[Schema] = {
    "description": "OpenAI's error object.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/OpenAIError"}}},
}
_RETRY_AFTER: Final[Schema] = {"Retry-After": {"schema": {"type": "integer"}}}
_WAIT: Final[Schema] = {**_ERROR, "headers": _RETRY_AFTER}
_TOO_MANY: Final[Schema] = {**_ERROR, "headers": {**_RETRY_AFTER, **_RATE_HEADERS}}
_SPECIAL: Final[Schema] = {"429": _TOO_MANY, "503": _WAIT}


def refusals(*statuses: str) -> Schema:
    return {status: _SPECIAL.get(status, _ERROR) for status in (*statuses, "default")}


def _content(schema: str, *, streamed: bool = False) -> Schema:
    content: Schema = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    if streamed:
        content["text/event-stream"] = {"schema": {"$ref": "#/components/schemas/OpenAIChunk"}}
    return content


def _call(operation_id: str, description: str, request: str, answer: str, example: Schema, *, streamed: bool) -> Schema:
    body = {**_content(request)["application/json"], "examples": {"Short": {"value": example}}}
    return {
        "operationId": operation_id,
        "description": description,
        "tags": [TAG],
        "security": SECURITY,
        "requestBody": {"required": True, "content": {"application/json": body}},
        "responses": {
            "200": {
                "description": "The answer; with `stream`, server-sent events that end with `[DONE]`, or with one "
                "error event in its place."
                if streamed
                else "The answer.",
                "headers": HEADERS,
                "content": _content(answer, streamed=streamed),
            },
            **refusals(*CALL_REFUSALS),
        },
    }


def _read(operation_id: str, description: str, answer: str, parameters: list[Schema]) -> Schema:
    return {
        "operationId": operation_id,
        "description": description,
        "tags": [TAG],
        "parameters": parameters,
        "security": SECURITY,
        "responses": {
            "200": {"description": "What this key may call.", "content": _content(answer)},
            **refusals("401", "403", "404"),
        },
    }


_NAME: Final[Schema] = {
    "in": "path",
    "name": "name",
    "required": True,
    "schema": {"type": "string"},
    "description": "May hold slashes.",
}
_HELLO: Final = {"model": "gpt-3.5-turbo", "messages": [{"role": "user", "content": "Why is the sky blue?"}]}

PATHS: Final[dict[str, Schema]] = {
    "/v1/models": {"get": _read("openai_models_list", "The models this key may call.", "OpenAIModelList", [])},
    "/v1/models/{name}": {"get": _read("openai_models_retrieve", "One model.", "OpenAIModel", [_NAME])},
    "/v1/chat/completions": {
        "post": _call(
            "openai_chat_completions_create",
            "Answer a conversation. With `stream` the status waits for the first meaningful frame, so that a failure "
            "before it is a real HTTP error.",
            "ChatCompletionRequest",
            "ChatCompletion",
            _HELLO,
            streamed=True,
        )
    },
    "/v1/completions": {
        "post": _call(
            "openai_completions_create",
            "Go on with a text.",
            "CompletionRequest",
            "Completion",
            {"model": "gpt-3.5-turbo", "prompt": "Once upon a time"},
            streamed=True,
        )
    },
    "/v1/embeddings": {
        "post": _call(
            "openai_embeddings_create",
            "Turn texts into vectors, as floats or base64.",
            "EmbeddingRequest",
            "EmbeddingList",
            {"model": "text-embedding-ada-002", "input": ["password", "login"]},
            streamed=False,
        )
    },
    "/v1/rerank": {
        "post": _call(
            "openai_rerank_create",
            "Put documents into the order in which they answer a query. Jina's shape, as LocalAI speaks it.",
            "RerankRequest",
            "Rerank",
            {
                "model": "bge-reranker-v2-m3",
                "query": "How do I change my password?",
                "documents": ["Passwords are changed in the settings.", "It will rain tomorrow."],
                "top_n": 1,
            },
            streamed=False,
        )
    },
    "/v1/moderations": {
        "post": _call(
            "openai_moderations_create",
            "Say whether texts are harmful, and how.",
            "ModerationRequest",
            "Moderation",
            {"model": "llama-guard", "input": "I will find you."},
            streamed=False,
        )
    },
    "/v1/images/generations": {
        "post": _call(
            "openai_images_generate",
            "Draw images. They come inside the answer, as base64; at most GATEWAY_IMAGES_MAX_BYTES (32 MiB) in all.",
            "ImageRequest",
            "ImageList",
            {"model": "stablediffusion", "prompt": "A lighthouse at dusk", "size": "512x512", "n": 1},
            streamed=False,
        )
    },
}
