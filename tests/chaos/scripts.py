"""What the scripted upstream can do with a call, by name: good, slow, broken, hostile."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.chaos.upstream import Turn

Script = Callable[["Turn"], Awaitable[None]]

EVENTS: Final = "text/event-stream"
HUGE_BYTES: Final = 64 * 1024 * 1024
LINE_BYTES: Final = 1024 * 1024


async def ok(turn: Turn) -> None:
    if not turn.streams:
        await turn.wire.pause(turn.prompt.tokens * turn.prompt.pause_seconds)
        await turn.wire.send_json(200, turn.whole())
        return
    await turn.wire.start(EVENTS)
    await turn.say(turn.words())
    await turn.end()


async def hang(turn: Turn) -> None:
    await turn.wire.hang()


async def hang_after_a_token(turn: Turn) -> None:
    await turn.wire.start(EVENTS)
    await turn.say(turn.words()[:1])
    await turn.wire.hang()


async def drip(turn: Turn) -> None:
    """A slowloris from the other side: bytes come, and never a whole event."""
    await turn.wire.start(EVENTS)
    while True:
        await turn.wire.write(b":")
        await turn.wire.pause(0.2)


async def reset(turn: Turn) -> None:
    turn.wire.reset()


async def reset_after_a_token(turn: Turn) -> None:
    await turn.wire.start(EVENTS)
    await turn.say(turn.words()[:1])
    turn.wire.reset()


async def garbage(turn: Turn) -> None:
    await turn.wire.raw(b"\x00\xff\xfe garbage \r\n\r\n" * 50)
    turn.wire.cut()


async def http_0_9(turn: Turn) -> None:
    await turn.wire.raw(b"<html>hello</html>\n")
    turn.wire.cut()


async def error_500(turn: Turn) -> None:
    await turn.wire.send_json(500, {"error": {"message": "out of cheese", "code": 500}})


async def key_in_error(turn: Turn) -> None:
    await turn.wire.send_json(500, {"error": {"message": f"bad key {turn.request.key}", "code": 500}})


async def busy_429(turn: Turn) -> None:
    """Says when to come again, and keeps its word."""
    if turn.call.number % 2:
        await turn.wire.send_json(429, {"error": {"message": "busy"}}, {"Retry-After": "1"})
    else:
        await ok(turn)


async def busy_429_date(turn: Turn) -> None:
    if turn.call.number % 2:
        at = email.utils.formatdate(time.time() + 2, usegmt=True)
        await turn.wire.send_json(429, {"error": {"message": "busy"}}, {"Retry-After": at})
    else:
        await ok(turn)


async def busy_429_absurd(turn: Turn) -> None:
    await turn.wire.send_json(429, {"error": {"message": "busy"}}, {"Retry-After": "99999999999"})


async def truncated(turn: Turn) -> None:
    """The chunked body is cut inside a chunk."""
    await turn.wire.start(EVENTS)
    await turn.say(turn.words()[:1])
    await turn.wire.raw(b"400\r\ndata: {")
    turn.wire.cut()


async def no_done(turn: Turn) -> None:
    """A body that ends well and a stream that does not."""
    await turn.wire.start(EVENTS)
    await turn.say(turn.words()[:2])
    await turn.wire.finish()


async def two_dones(turn: Turn) -> None:
    await turn.wire.start(EVENTS)
    await turn.say(turn.words())
    await turn.wire.write(turn.chunk({}, finish_reason="stop") + b"data: [DONE]\n\n" * 2)
    await turn.wire.finish()


async def bad_json(turn: Turn) -> None:
    await turn.wire.start(EVENTS)
    await turn.wire.write(b'data: {"choices": [{"delta": \n\n')
    await turn.end()


async def huge(turn: Turn) -> None:
    """More than a result may be, as fast as it is taken."""
    await turn.wire.start(EVENTS)
    word = "y" * 60_000
    for _ in range(HUGE_BYTES // len(word)):
        await turn.wire.write(turn.chunk({"content": word}))
    await turn.end()


async def long_line(turn: Turn) -> None:
    await turn.wire.start(EVENTS)
    for _ in range(64):
        await turn.wire.write(b"data: " + b"z" * LINE_BYTES)
    await turn.wire.hang()


async def bad_bytes(turn: Turn) -> None:
    """NUL and what is no UTF-8."""
    await turn.wire.start(EVENTS)
    await turn.wire.write(b'data: {"choices": [{"index": 0, "delta": {"content": "\xff\xfe\x00"}}]}\n\n')
    await turn.end()


SCRIPTS: Final[dict[str, Script]] = {
    script.__name__: script
    for script in (
        *(ok, hang, hang_after_a_token, drip, reset, reset_after_a_token, garbage, http_0_9),
        *(error_500, key_in_error, busy_429, busy_429_date, busy_429_absurd, truncated, no_done, two_dones),
        *(bad_json, huge, long_line, bad_bytes),
    )
}
