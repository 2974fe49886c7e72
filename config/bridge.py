"""Django, mounted last, as WSGI in lasting threads: one hop in, one hop out.

Under ASGI Django makes an executor thread, and so a database connection, for every request; a WSGI server in
lasting threads does not. The body is read here, on the loop, within a size and a time, before a thread is taken:
a client that sends slowly holds a coroutine, never a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from io import BytesIO
from typing import Any, cast

from a2wsgi.wsgi import build_environ
from starlette.types import Message, Receive, Scope, Send

from config.refusals import refuse
from tenants.in_db import retire
from tenants.problems import Problem

SEND_SECONDS = 30.0  # a streaming answer holds a thread: who reads none of it for so long has left


class ClientGone(Exception):
    """The client hung up; nobody waits for an answer."""


class Bridge:
    def __init__(
        self, app: Callable[..., Iterable[bytes]], *, threads: int, body_max_bytes: int, body_seconds: float
    ) -> None:
        self.app = app
        self.threads = threads
        self.body_max_bytes = body_max_bytes
        self.body_seconds = body_seconds
        self._pool: ThreadPoolExecutor | None = None

    def open(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="django")
        return self._pool

    def close(self) -> None:
        """Let the threads close their connections and end. The next request, if any comes, opens new ones."""
        pool, self._pool = self._pool, None
        if pool is not None:
            retire(pool, threads=self.threads)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
            return
        try:
            body = await self._body(scope, receive)
        except Problem as problem:
            await refuse(send, problem)
        except ClientGone:
            return
        else:
            await self._answer(_environ(scope, body), receive, send)

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if not declared.isdigit() or int(declared) > self.body_max_bytes:
            raise Problem("request_too_large", f"The limit is {self.body_max_bytes} bytes.")
        try:
            async with asyncio.timeout(self.body_seconds):
                return await self._read(receive)
        except TimeoutError:
            raise Problem("request_timeout", f"The limit is {self.body_seconds:g} seconds.") from None

    async def _read(self, receive: Receive) -> bytes:
        chunks: list[bytes] = []
        size_bytes = 0
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunks.append(message.get("body", b""))
            size_bytes += len(chunks[-1])
            if size_bytes > self.body_max_bytes:
                raise Problem("request_too_large", f"The limit is {self.body_max_bytes} bytes.")
            more = message.get("more_body", False)
        return b"".join(chunks)

    async def _answer(self, environ: dict[str, Any], receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()
        exchange = Exchange(self.app, loop, receive, send)
        body = await loop.run_in_executor(self.open(), copy_context().run, exchange.run, environ)
        if body is not None:
            await send(exchange.start)
            await send({"type": "http.response.body", "body": body})


class Exchange:
    """One request in a thread. A whole answer is given back in one piece; a streaming one goes out as it is made."""

    def __init__(
        self, app: Callable[..., Iterable[bytes]], loop: asyncio.AbstractEventLoop, receive: Receive, send: Send
    ) -> None:
        self.app = app
        self.loop = loop
        self.receive = receive
        self.send = send
        self.start: Message = {}
        self.client_gone = False

    def run(self, environ: dict[str, Any]) -> bytes | None:
        response = self.app(environ, self.start_response)
        try:
            if not getattr(response, "streaming", False):
                return b"".join(response)
            self._stream(response)
            return None
        finally:
            close = getattr(response, "close", None)
            if close is not None:
                close()  # Django's request_finished: signals, connections

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
        encoded = [(name.lower().encode("latin-1"), value.strip().encode("latin-1")) for name, value in headers]
        self.start = {"type": "http.response.start", "status": int(status[:3]), "headers": encoded}

    def _stream(self, chunks: Iterable[bytes]) -> None:
        watch = asyncio.run_coroutine_threadsafe(self._watch(), self.loop)
        try:
            self._put(self.start)
            for chunk in chunks:
                if self.client_gone:
                    return
                self._put({"type": "http.response.body", "body": chunk, "more_body": True})
            self._put({"type": "http.response.body", "body": b""})
        except TimeoutError:
            return
        finally:
            watch.cancel()

    def _put(self, message: Message) -> None:
        sent = asyncio.run_coroutine_threadsafe(self._send(message), self.loop)
        try:
            sent.result(SEND_SECONDS)
        except TimeoutError:
            sent.cancel()
            raise

    async def _send(self, message: Message) -> None:
        await self.send(message)

    async def _watch(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass
        self.client_gone = True


def _environ(scope: Scope, body: bytes) -> dict[str, Any]:
    seen_by_django: Any = {**scope, **_cleaned(scope)}
    whole_body: Any = BytesIO(body)  # a2wsgi's own reads from the loop, inside the thread
    environ: Any = build_environ(seen_by_django, whole_body)
    environ["CONTENT_LENGTH"] = str(len(body))  # a chunked request has none, and Django then reads nothing
    return cast(dict[str, Any], environ)


def _cleaned(scope: Scope) -> dict[str, Any]:
    """Without header names that hold `_` (in META they pass for the real ones: X_Forwarded_Proto fakes https)."""
    headers = [(name, value) for name, value in scope["headers"] if b"_" not in name and name != b"cookie"]
    cookies = [value for name, value in scope["headers"] if name == b"cookie"]
    if cookies:
        headers.append((b"cookie", b"; ".join(cookies)))
    return {"headers": headers}
