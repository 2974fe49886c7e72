"""The nemesis kills the process it means."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.processes import Process, owner_of_connection

DIAL = """
import socket, sys
first, second = map(int, sys.argv[1:])
def dial(to, port=0):
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    line.bind(("127.0.0.1", port))
    line.connect(("127.0.0.1", to))
    return line
closed = dial(first)
port = closed.getsockname()[1]
closed.close()
kept = dial(second, port)
print(port, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def listeners() -> Iterator[list[socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        yield [first, second]


def test_the_owner_of_a_connection_is_found_where_its_port_also_led_elsewhere(listeners, tmp_path: Path):
    ports = [listener.getsockname()[1] for listener in listeners]
    command = [sys.executable, "-c", DIAL, *map(str, ports)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as dialler:
        assert dialler.stdout is not None
        port = int(dialler.stdout.readline())
        caller = Process("caller", command, {}, tmp_path / "log", popen=dialler)
        stranger = Process("stranger", [], {}, tmp_path / "log")

        assert owner_of_connection(port, ports[1], [stranger, caller]) is caller
        assert owner_of_connection(port, ports[1], [stranger]) is None
        assert owner_of_connection(port, ports[0], [stranger, caller]) is None
        dialler.communicate()
