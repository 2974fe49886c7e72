"""What the network did to a call -> the UpstreamError that says what happened, and to whom."""

from __future__ import annotations

import errno
import ssl
from collections.abc import Mapping
from typing import Final

from providers.errors import Malformed, TimedOut, Unreachable, UpstreamError
from providers.upstream.addresses import parse_address
from providers.upstream.http1 import MAX_HEAD_BYTES, Broken, Reason
from providers.upstream.lookup import is_localhost

_NO_ROUTE: Final = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.ETIMEDOUT})
_BROKEN: Final[dict[Reason, str]] = {
    "unsent": "closed the connection before anything was sent.",
    "closed": "closed the connection without an answer. A port forwarder does so while nothing is behind it.",
    "reset": "reset the connection before it answered.",
    "cut_short": "ended its answer before it was complete.",
    "not_http": "answered something that is not HTTP/1.1.",
    "head_too_large": f"answered with more than {MAX_HEAD_BYTES} bytes of headers.",
}


def dns_fault(cause: OSError, host: str) -> UpstreamError:
    return Unreachable("dns_failed", f"The name {host} does not resolve: {cause}.")


def connect_fault(cause: OSError, host: str, port: int) -> UpstreamError:
    """Why no TCP connection came about."""
    facts = {"evidence": {"errno": errno.errorcode.get(cause.errno, str(cause.errno))}} if cause.errno else {}
    if cause.errno in _NO_ROUTE:
        return TimedOut("connect", f"There is no way to {host}:{port}: no route, or nobody answers.", **facts)
    address = parse_address(host)
    if is_localhost(host) or (address is not None and address.is_loopback):
        told = f"Nothing listens on {host}:{port} as seen from the worker."
        return Unreachable("connection_refused_loopback", told, **facts)
    return Unreachable("connection_refused", f"Nothing listens on {host}:{port}.", **facts)


def connect_timeout(host: str, port: int, seconds: float) -> UpstreamError:
    return TimedOut("connect", f"{host}:{port} did not answer within {seconds:g} s.")


def tls_fault(cause: OSError, host: str, port: int) -> UpstreamError:
    """Why the TLS of a connection that stood did not; an ssl.SSLError is an OSError."""
    if isinstance(cause, ssl.SSLCertVerificationError):
        told = f"The certificate of {host}:{port} is not trusted: {cause.verify_message}."
        return Unreachable("tls_untrusted", told)
    reason = getattr(cause, "reason", None) or "the connection was closed"
    told = f"{host}:{port} does not speak TLS as asked: {str(reason).replace('_', ' ').lower()}."
    return Unreachable("tls_wrong_version", told)


def refuse_encoding(headers: Mapping[str, str]) -> None:
    """Raise Malformed for a packed body: none was asked for, and a small one may unpack to gigabytes."""
    encoding = headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        raise Malformed(message=f"The answer is encoded as {encoding[:40]}, though no encoding was asked for.")


def exchange_fault(cause: Broken, host: str, port: int) -> UpstreamError:
    """Why a request got no whole answer."""
    told = f"{host}:{port} {_BROKEN[cause.reason]}"
    return Malformed(message=told, sent=cause.reason != "unsent", evidence={"fault": cause.reason})
