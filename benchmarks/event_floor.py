"""What many readers of one stream cost where each asks Redis for itself: an XREAD for every reader and entry.

An ASGI app; `GET /<stream>` is the stream as server-sent events, until its entry `end`.
"""

from __future__ import annotations

import os
from typing import Any

from redis.asyncio import Redis

from benchmarks.floors import EVENTS, lifespan

BLOCK_MS = 5000
FIELD, END = b"e", b"end"


class XreadEach:
    redis: Redis | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        if self.redis is None:
            self.redis = Redis.from_url(os.environ["REDIS_URL"], socket_timeout=None, protocol=2, max_connections=1000)
        await send({"type": "http.response.start", "status": 200, "headers": EVENTS})
        await self._follow(self.redis, scope["path"].removeprefix("/"), send)
        await send({"type": "http.response.body", "body": b""})

    async def _follow(self, redis: Redis, stream: str, send: Any) -> None:
        last: Any = "0-0"
        while True:
            for _, entries in await redis.xread({stream: last}, block=BLOCK_MS):
                for last, fields in entries:
                    if fields[FIELD] == END:
                        return
                    text = b"id: %s\nevent: delta\ndata: %s\n\n" % (last, fields[FIELD])
                    await send({"type": "http.response.body", "body": text, "more_body": True})


app = XreadEach()
