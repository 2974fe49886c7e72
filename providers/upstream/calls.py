"""A target made ready for calling: the bytes of its requests' heads, prepared once, and the secrets to keep out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from providers.upstream.egress import DEFAULT_PORTS
from providers.upstream.http1 import Source
from providers.upstream.pool import Line, Lines
from providers.upstream.redaction import Redactor
from providers.upstream.target import Target

HOP_HEADER: Final = "X-Modelyard-Hop"  # our own gateway refuses it: a provider that points at us would call in circles
SSE: Final = "text/event-stream"

_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_UNFIT_IN_VALUES: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_PATH: Final = re.compile(r"/[!-~]*")
SHORTEST_KEY_CHARS: Final = 12  # a shorter one may well stand in a model's name
_MAX_HEADS: Final = 64

HeadKey = tuple[str, str, str, bool, tuple[str, ...]]


class Route:
    """Nothing in here changes from call to call but the cache of heads."""

    __slots__ = (
        "_headers",
        "_heads",
        "_keys_out",
        "_prefix",
        "_redactor",
        "_target_keys",
        "_target_secrets",
        "host",
        "line",
        "port",
    )

    def __init__(self, target: Target, lines: Lines) -> None:
        parts = urlsplit(target.base_url)
        self.host = parts.hostname or ""
        self.port = parts.port or DEFAULT_PORTS[parts.scheme]
        self.line: Line = lines.to(target)
        self._target_secrets = secrets_in(target)
        self._redactor: Redactor | None = None
        self._target_keys = keys_in(target)
        self._keys_out: Redactor | None = None
        self._prefix = parts.path
        self._headers = {
            "Host": parts.netloc,
            "User-Agent": "modelyard",
            "Accept-Encoding": "identity",
            HOP_HEADER: "1",
            **target.headers,
        }
        self._heads: dict[HeadKey, bytes] = {}

    def head(
        self, method: str, path: str, accept: str, body: bytes | Source | None, own: Mapping[str, str] | None
    ) -> bytes:
        """The head of one request; `own` headers are this call's and win. Raises ValueError for what cannot stand in
        a head: a line break in a value would smuggle in a second request."""
        key = (method, path, accept, body is not None, tuple(own) if own else ())
        begun = self._heads.get(key)
        if begun is None:
            begun = self._begin(key)
        lines = "".join([f"{name}: {_fit(value)}\r\n" for name, value in own.items()]) if own else ""
        length = f"Content-Length: {len(body)}\r\n" if body is not None else ""
        return begun + f"{lines}{length}\r\n".encode("latin-1")

    def _begin(self, key: HeadKey) -> bytes:
        """The part of a head that is the same for every call like it."""
        method, path, accept, has_body, own = key
        if not _PATH.fullmatch(path) or not _TOKEN.fullmatch(method):
            raise ValueError(f"{method} {path!r} cannot stand in a request.")
        fields = {**self._headers, "Accept": accept, **({"Content-Type": "application/json"} if has_body else {})}
        replaced = {name.lower() for name in own}
        unfit = [name for name in (*fields, *own) if not _TOKEN.fullmatch(name)]
        if unfit or "content-length" in replaced:
            raise ValueError(f"{unfit or own} cannot stand in a request.")
        lines = [f"{name}: {_fit(value)}" for name, value in fields.items() if name.lower() not in replaced]
        begun = "\r\n".join([f"{method} {self._prefix}{path} HTTP/1.1", *lines, ""]).encode("latin-1")
        if len(self._heads) >= _MAX_HEADS:
            self._heads.clear()
        self._heads[key] = begun
        return begun

    @property
    def redactor(self) -> Redactor:
        """Made when a server first says something that may repeat a secret."""
        if self._redactor is None:
            self._redactor = Redactor(self._target_secrets)
        return self._redactor

    def scrub(self, said: bytes) -> bytes:
        """What a server said, without the secrets we sent it: some repeat the key in their refusal."""
        return self.redactor.raw(said)

    def without_key(self, said: bytes) -> bytes:
        """What a server said of itself, without the key; words of other headers may stand in names of models."""
        if self._keys_out is None:
            self._keys_out = Redactor(key for key in self._target_keys if len(key) >= SHORTEST_KEY_CHARS)
        return self._keys_out.raw(said)


def _fit(value: str) -> str:
    if _UNFIT_IN_VALUES.search(value):
        raise ValueError("A header's value holds a control character.")
    return value


def secrets_in(target: Target) -> frozenset[str]:
    """Every header value may be a secret: extra headers carry the keys of gateways."""
    return frozenset(value for _, value in _values_in(target))


def keys_in(target: Target) -> frozenset[str]:
    """Those that came from the provider's credential."""
    return frozenset(value for name, value in _values_in(target) if name.lower() == "authorization")


def _values_in(target: Target) -> Iterator[tuple[str, str]]:
    for headers in (target.headers, target.admin_headers or {}):
        for name, value in headers.items():
            yield name, value.removeprefix("Bearer ")
