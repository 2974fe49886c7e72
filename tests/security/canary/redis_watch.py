"""Everything that is ever said to a Redis: Celery's messages are gone from it before anybody could look for them."""

from __future__ import annotations

import codecs
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

READERS = {
    b"none": lambda client, name: b"",  # it has run out meanwhile
    b"string": lambda client, name: client.get(name),
    b"list": lambda client, name: client.lrange(name, 0, -1),
    b"set": lambda client, name: client.smembers(name),
    b"zset": lambda client, name: client.zrange(name, 0, -1, withscores=True),
    b"hash": lambda client, name: client.hgetall(name),
    b"stream": lambda client, name: client.xrange(name),
}


@dataclass
class RedisWatch:
    """`said`: each command with its arguments, from the moment of watching."""

    at: Path
    said: list[bytes] = field(default_factory=list)

    def commands(self) -> bytes:
        return b"\n".join(list(self.said))

    def keys(self) -> bytes:
        """Every key of every database with its value."""
        shown: list[bytes] = []
        for number in range(self._databases()):
            client: Any = redis.Redis(unix_socket_path=str(self.at), db=number)
            with client:
                shown += [name + b" " + _flat(READERS[client.type(name)](client, name)) for name in client.scan_iter()]
        return b"\n".join(shown)

    def _databases(self) -> int:
        client: Any = redis.Redis(unix_socket_path=str(self.at))
        with client:
            return int(client.config_get("databases")["databases"])


@contextmanager
def watching(at: Path) -> Iterator[RedisWatch]:
    """MONITOR through a connection of our own, for as long as the block lasts."""
    watch = RedisWatch(at)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(at))
    connection.sendall(b"MONITOR\r\n")
    lines = connection.makefile("rb")
    assert lines.readline() == b"+OK\r\n"
    listener = threading.Thread(target=lambda: watch.said.extend(map(_plain, lines)), daemon=True)
    listener.start()
    try:
        yield watch
    finally:
        connection.shutdown(socket.SHUT_RDWR)
        listener.join(10)
        connection.close()


def _plain(line: bytes) -> bytes:
    """MONITOR shows arguments quoted, with escapes: give back their own bytes."""
    return codecs.escape_decode(line)[0]  # type: ignore[attr-defined, no-any-return]


def _flat(value: Any) -> bytes:
    """Any reply as bytes that can be searched."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, dict):
        return b" ".join(_flat(part) for pair in value.items() for part in pair)
    if isinstance(value, list | tuple | set):
        return b" ".join(map(_flat, value))
    return str(value).encode()
