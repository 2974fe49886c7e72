"""The settings that `bin/up` gives its children. What the environment says already, stands."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from config.stack import valkey
from config.stack.options import has_own_redis
from config.stack.preflight import HOST
from config.stack.state import State

# One person's machine: its own addresses and those of its network may be dialled. Production allows none until told.
OWN_NETWORKS = "127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7"
NOT_PASSED_ON = ("LOCALAI_API_KEY",)  # it goes into the provider's credential, and nowhere else
KEPT = (
    *("STATE_DIR", "DATABASE_URL", "DATABASE_URL_FILE", "REDIS_URL", "REDIS_URL_FILE", "REDIS_PREFIX"),
    *("SECRET_KEY", "SECRET_KEY_FILE", "KEYRING", "KEYRING_FILE", "CELERY_BROKER_URL"),
    *("HTTPS_ONLY", "STAFF_MFA_REQUIRED", "PUBLIC_URL", "EGRESS_ALLOW"),
)


def environment(
    state: State, *, port: int, model_server: str | None, outside: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """All variables of a child. `model_server` may be dialled whatever else is allowed."""
    passed_on = {name: value for name, value in outside.items() if value and name not in NOT_PASSED_ON}
    allowed = [outside.get("EGRESS_ALLOW") or OWN_NETWORKS, *_granted(model_server)]
    return {
        "HTTPS_ONLY": "false",
        "STAFF_MFA_REQUIRED": "false",
        "WEB_DRAIN_SECONDS": "5",  # one person waits for Ctrl-C; jobs go back to the queue
        "WORKER_DRAIN_SECONDS": "5",
        "PUBLIC_URL": f"http://{HOST}:{port}",
        "PROMETHEUS_MULTIPROC_DIR": str(state.directory / "metrics"),
        **_secrets(state, outside),
        **({} if has_own_redis(outside) else {"REDIS_URL": valkey.url(valkey.socket_in(state.directory))}),
        **passed_on,
        "STATE_DIR": str(state.directory),
        "EGRESS_ALLOW": ",".join(allowed),
    }


def kept(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of it that bin/manage needs to find the same stack from another shell."""
    return {name: environment[name] for name in KEPT if name in environment}


def _secrets(state: State, outside: Mapping[str, str]) -> dict[str, str]:
    files = {}
    if not outside.get("SECRET_KEY"):
        state.secret("secret_key")
        files["SECRET_KEY_FILE"] = str(state.directory / "secret_key")
    if not outside.get("KEYRING"):
        files["KEYRING_FILE"] = str(state.keyring())
    return files


def _granted(model_server: str | None) -> Iterator[str]:
    if model_server is None:
        return
    address = urlsplit(model_server)
    port = address.port or (443 if address.scheme == "https" else 80)
    for host in _addresses(address.hostname or "", port):
        yield f"[{host}/128]:{port}" if ":" in host else f"{host}/32:{port}"


def _addresses(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:  # the validation says it better than we could here
        return []
    return sorted({str(entry[4][0]) for entry in found if "%" not in str(entry[4][0])})
