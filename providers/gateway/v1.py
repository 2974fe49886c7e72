"""`/v1` as plain ASGI: which path means what, any origin, and OpenAI's shape for every refusal.

No framework stands between the server and a call: its routing and middlewares would cost as much as the call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import unquote

import structlog
from django.db import InterfaceError, OperationalError
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Receive, Scope, Send

from providers.errors import ProviderError
from providers.gateway.answers import answer
from providers.gateway.bodies import CallerGone
from providers.gateway.chat import chat_completions
from providers.gateway.completions import completions
from providers.gateway.embeddings import embeddings
from providers.gateway.images import image_generations
from providers.gateway.models import list_models, one_model
from providers.gateway.moderations import moderations
from providers.gateway.openai_errors import Headers, Refusal, refusal_of, refuse
from providers.gateway.rerank import rerank
from providers.gateway.speech import speech
from providers.gateway.transcriptions import transcriptions, translations
from providers.upstream.calls import HOP_HEADER
from tenants.problems import Problem

Endpoint = Callable[[Scope, Receive, Send], Awaitable[None]]

PREFIX: Final = "/v1/"
ENDPOINTS: Final[dict[str, dict[str, Endpoint]]] = {
    "models": {"GET": list_models},
    "chat/completions": {"POST": chat_completions},
    "completions": {"POST": completions},
    "embeddings": {"POST": embeddings},
    "rerank": {"POST": rerank},
    "moderations": {"POST": moderations},
    "audio/transcriptions": {"POST": transcriptions},
    "audio/translations": {"POST": translations},
    "audio/speech": {"POST": speech},
    "images/generations": {"POST": image_generations},
}
_RATE_HEADERS: Final = tuple(
    f"x-ratelimit-{fact}-{sort}" for sort in ("requests", "tokens") for fact in ("limit", "remaining", "reset")
)
SHOWN_HEADERS: Final = ("x-request-id", "x-provider", "x-queue-ms", "retry-after", *_RATE_HEADERS)
ONE_MODEL: Final = "models/"
ORIGIN: Final = b"origin"
HOP: Final = HOP_HEADER.lower().encode()

log = structlog.get_logger(__name__)


async def serve_v1(scope: Scope, receive: Receive, send: Send) -> None:
    path = scope["path"].partition(PREFIX)[2].rstrip("/")
    try:
        await _find(path, scope)(scope, receive, send)
    except (Problem, ProviderError) as error:
        await _say(send, refusal_of(error))
    except _NoSuchCall as unknown:
        await _say(send, unknown.refusal)
    except CallerGone:
        return
    except (OperationalError, InterfaceError) as fault:  # the database is down, and nothing is remembered
        log.warning("call_refused", path=path, error=str(fault))
        await _say(send, refusal_of(Problem("unavailable")))
    except Exception:
        log.exception("call_failed", path=path)
        await _say(send, refusal_of(Problem("internal_error")))


_any_origin = CORSMiddleware(
    serve_v1, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"], expose_headers=SHOWN_HEADERS
)


async def v1(scope: Scope, receive: Receive, send: Send) -> None:
    """The whole of `/v1`, mounted there or asked for it by a path below it. Only browsers pay for CORS."""
    if scope["type"] != "http":
        await send({"type": "websocket.close", "code": 1000})
        return
    for name, _ in scope["headers"]:
        if name == ORIGIN:
            await _any_origin(scope, receive, send)
            return
        if name == HOP:
            await _say(send, refusal_of(Problem("call_loop")))
            return
    await serve_v1(scope, receive, send)


class _NoSuchCall(Exception):
    def __init__(self, status: int, code: str, message: str, headers: Headers | None = None) -> None:
        super().__init__(message)
        self.refusal = refuse(status, code, message, headers=headers)


def _find(path: str, scope: Scope) -> Endpoint:
    method = "GET" if scope["method"] == "HEAD" else scope["method"]
    methods = ENDPOINTS.get(path)
    if methods is None and path.startswith(ONE_MODEL):
        methods = {"GET": _one_model(scope)}
    if methods is None:
        raise _NoSuchCall(404, "not_found", f"There is no {method} {scope['path']} here.")
    if method not in methods:
        allowed = [(b"allow", ", ".join(methods).encode())]
        raise _NoSuchCall(405, "method_not_allowed", f"{scope['path']} takes {', '.join(methods)}.", allowed)
    return methods[method]


def _one_model(scope: Scope) -> Endpoint:
    """A model's name may hold slashes, also encoded ones."""
    raw = scope.get("raw_path") or scope["path"].encode()
    name = unquote(raw.decode("latin-1").partition(PREFIX + ONE_MODEL)[2].partition("?")[0])

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        await one_model(scope, receive, send, name)

    return endpoint


async def _say(send: Send, refusal: Refusal) -> None:
    await answer(send, refusal.status, refusal.headers, refusal.body)
