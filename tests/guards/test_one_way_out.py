"""Sockets are opened, and names resolved, in the few modules that stand here with their reason: else the policy of
outbound calls would have a back door."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DIALS = re.compile(
    r"create_connection\(|open_connection\(|open_unix_connection\(|create_datagram_endpoint\(|sock_connect\(|"
    r"socket\.socket\(|\.connect_ex\(|socketpair\(|urlopen|urllib\.request|http\.client|ftplib|telnetlib|"
    r"^\s*(?:import|from) (?:httpx|aiohttp|requests|urllib3|websockets|pycurl)\b",
    re.M,
)
RESOLVES = re.compile(r"getaddrinfo\(|gethostby|getnameinfo\(|dns\.resolver")
MAY_DIAL = {
    "providers/upstream/gate.py": "makes a socket for an address that it has just judged",
    "providers/upstream/dial.py": "connects what the gate has made",
}
MAY_RESOLVE = {
    "providers/upstream/lookup.py": "the answers go to the gate",
    "providers/own_addresses.py": "the platform's own names, which are never dialled for a tenant",
}


def modules_that(pattern: re.Pattern[str]) -> set[str]:
    files = [path for part in ("tenants", "providers", "config") for path in (ROOT / part).rglob("*.py")]
    ours = [path for path in files if "stack" not in path.parts]  # bin/up starts the project's own processes
    return {path.relative_to(ROOT).as_posix() for path in ours if pattern.search(path.read_text())}


def test_only_the_gate_and_the_dialler_open_sockets():
    assert modules_that(DIALS) == set(MAY_DIAL)


def test_only_the_lookup_and_the_own_addresses_resolve_names():
    assert modules_that(RESOLVES) == set(MAY_RESOLVE)
