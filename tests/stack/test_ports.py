"""A port that is chosen now and taken later must still be free then."""

from __future__ import annotations

from pathlib import Path

from config.stack.preflight import PORTS, free_port, is_free


def test_a_free_port_is_none_that_the_system_gives_to_a_connection_meanwhile():
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])

    port = free_port()

    assert port in PORTS
    assert port < first
    assert is_free(port)
