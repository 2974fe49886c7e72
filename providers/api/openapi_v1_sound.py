"""`/v1/audio`, in the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

from providers.api.openapi_v1 import CALL_REFUSALS, HEADERS, MODEL, SECURITY, TAG, open_object, refusals

Schema = dict[str, Any]

_FILE: Final[Schema] = {"type": "string", "contentMediaType": "application/octet-stream", "minLength": 1}
_ENCODING: Final[Schema] = {"file": {"contentType": "audio/*, application/octet-stream"}}
_TEXTS: Final[Schema] = {
    "model": {"type": "string", "description": "As in every other call; left out, the tenant's default."},
    "prompt": {"type": "string"},
    "response_format": {
        "type": "string",
        "examples": ["json", "text", "srt", "verbose_json", "vtt"],
        "description": "One of the server's own; json unless said.",
    },
    "temperature": {"type": "number"},
}
_LANGUAGE: Final[Schema] = {"language": {"type": "string", "examples": ["en"]}, "stream": {"type": "boolean"}}

SCHEMAS: Final[Schema] = {
    "TranscriptionRequest": open_object(["file"], {"file": _FILE, **_TEXTS, **_LANGUAGE}),
    "TranslationRequest": open_object(["file"], {"file": _FILE, **_TEXTS}),
    "Transcript": open_object(["text"], {"text": {"type": "string"}}),
    "SpeechRequest": open_object(
        ["input"],
        {
            "model": MODEL,
            "input": {"type": "string", "minLength": 1, "pattern": r"\S"},
            "voice": {"type": ["string", "object", "null"], "description": "One of the server's own."},
            "response_format": {"type": ["string", "null"], "examples": ["mp3", "wav"]},
            "speed": {"type": ["number", "null"]},
            "stream_format": {
                "type": ["string", "null"],
                "enum": ["audio", "sse", None],
                "description": "`sse`, where the server can: events such as `speech.audio.delta`.",
            },
        },
    ),
}

_SOUND: Final[Schema] = {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}
_SPEECH: Final[Schema] = {
    "operationId": "openai_speech_create",
    "description": "Speak a text. The sound is passed on as the server makes it, up to 64 MiB; where it breaks off, "
    "the connection is cut.",
    "tags": [TAG],
    "security": SECURITY,
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/SpeechRequest"},
                "examples": {"Short": {"value": {"model": "tts-1", "input": "Good morning.", "voice": "alloy"}}},
            }
        },
    },
    "responses": {
        "200": {
            "description": "The sound, in the format that the server chose or was asked for.",
            "headers": HEADERS,
            "content": {
                "audio/*": _SOUND,
                "application/octet-stream": _SOUND,
                "text/event-stream": {"schema": {"$ref": "#/components/schemas/OpenAIChunk"}},
            },
        },
        **refusals(*CALL_REFUSALS),
    },
}


def _heard(operation_id: str, description: str, request: str, *, streamed: bool) -> Schema:
    content: Schema = {
        "application/json": {"schema": {"$ref": "#/components/schemas/Transcript"}},
        "text/*": {"schema": {"type": "string"}},
    }
    if streamed:
        content["text/event-stream"] = {"schema": {"$ref": "#/components/schemas/OpenAIChunk"}}
    form = {"schema": {"$ref": f"#/components/schemas/{request}"}, "encoding": _ENCODING}
    return {
        "operationId": operation_id,
        "description": description,
        "tags": [TAG],
        "security": SECURITY,
        "requestBody": {"required": True, "content": {"multipart/form-data": form}},
        "responses": {
            "200": {
                "description": "What was said, as JSON or as text in the format asked for"
                + ("; with `stream`, events such as `transcript.text.delta`." if streamed else "."),
                "headers": HEADERS,
                "content": content,
            },
            **refusals(*CALL_REFUSALS, "415"),
        },
    }


PATHS: Final[dict[str, Schema]] = {
    "/v1/audio/transcriptions": {
        "post": _heard(
            "openai_transcriptions_create",
            "Write down what is said in a sound file. The form is passed on as it came, with the server's name of the "
            "model.",
            "TranscriptionRequest",
            streamed=True,
        )
    },
    "/v1/audio/translations": {
        "post": _heard(
            "openai_translations_create",
            "Write down in English what is said in a sound file.",
            "TranslationRequest",
            streamed=False,
        )
    },
    "/v1/audio/speech": {"post": _SPEECH},
}
