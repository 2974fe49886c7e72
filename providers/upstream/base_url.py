"""The address of a server as a person typed it, made into the one form that is stored; or refused, and why."""

from __future__ import annotations

import re
import unicodedata
from ipaddress import IPv4Address, IPv6Address
from typing import Final
from urllib.parse import unquote

import idna

from providers.errors import FormRefused
from providers.upstream.addresses import Address, embedded_in, mapped_in, standing_of

MAX_URL_CHARS: Final = 2048
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
_UNPRINTABLE: Final = re.compile(r"[\x00-\x20\x7f-\xa0\\\u2028\u2029\ufeff]")
_AUTHORITY: Final = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(?::(.*))?", re.DOTALL)
_NUMBERS: Final = (
    (re.compile(r"0x([0-9a-f]*)"), 16),
    (re.compile(r"0([0-7]+)"), 8),
    (re.compile(r"(0|[1-9][0-9]*)"), 10),
)
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_PATH: Final = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*")
_IGNORED_IN_NAMES: Final = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
_DOTS: Final = dict.fromkeys(map(ord, "\u3002\uff0e\uff61"), ".")

METADATA_NAMES: Final = frozenset(
    {
        "instance-data",
        "instance-data.ec2.internal",
        "metadata",
        "metadata.azure.internal",
        "metadata.goog",
        "metadata.google.internal",
        "metadata.packet.net",
        "metadata.platformequinix.com",
        "metadata.tencentyun.com",
    }
)

# What people paste along with the server's address: the paths an API's own documents show.
_PASTED: Final = re.compile(
    r"(?:/chat/completions|/completions|/embeddings|/engines/[^/]+/(?:completions|embeddings)"
    r"|/audio/(?:transcriptions|translations|speech)|/images/(?:generations|edits|variations)"
    r"|/version|/readyz|/healthz|/\.well-known/localai\.json"
    r"|(?<=/v1)/(?:models(?:/.*)?|rerank|moderations|responses|messages|edits|files|batches|cluster/.*))$",
    re.IGNORECASE,
)
_VERSION: Final = re.compile(r"(?:/v1)+$", re.IGNORECASE)


def check_base_url(url: str) -> str:
    """The normalised base URL: lower-case host, no default port, no trailing `/`, no pasted endpoint, no `/v1`.

    Raises FormRefused (a CallerError): url_malformed, url_scheme_unsupported, url_has_credentials, url_bind_address,
    or destination_forbidden for a literal address or name that is never dialled, in any spelling.
    """
    scheme, authority, path = _split(url.strip(" "))
    host, port = _host_and_port(authority)
    shown_port = "" if port in ("", _DEFAULT_PORTS[scheme]) else f":{port}"
    return f"{scheme}://{_host(host)}{shown_port}{_prefix(path)}"


def _malformed(why: str) -> FormRefused:
    return FormRefused("url_malformed", f"This is not a usable server address: {why}.", field="base_url")


def _never(what: str) -> FormRefused:
    return FormRefused("destination_forbidden", f"{what} is never dialled by the platform.", field="base_url")


def _split(url: str) -> tuple[str, str, str]:
    if not url or len(url) > MAX_URL_CHARS:
        raise _malformed(f"it has 1 to {MAX_URL_CHARS} characters")
    if _UNPRINTABLE.search(url):
        raise _malformed("it holds a blank, a backslash or a control character")
    found = _SCHEME.fullmatch(url)
    if not found or (found[2][:1].isdigit() and found[1].lower() not in _DEFAULT_PORTS):
        raise _malformed("it begins with http:// or https://")  # `gpu-box:8080` has no scheme, only a port
    scheme, rest = found[1].lower(), found[2]
    if scheme not in _DEFAULT_PORTS:
        raise FormRefused("url_scheme_unsupported", field="base_url")
    if not rest.startswith("//") or rest.startswith("///"):
        raise _malformed("two slashes and a host follow the scheme")
    authority, slash, path = rest[2:].partition("/")
    if "@" in re.split(r"[?#]", authority)[0]:
        raise FormRefused("url_has_credentials", field="base_url")
    if "?" in rest or "#" in rest:
        raise _malformed("it has no query and no fragment")
    return scheme, authority, slash + path


def _host_and_port(authority: str) -> tuple[str, str]:
    found = _AUTHORITY.fullmatch(authority)
    if not found or not found[1]:
        raise _malformed("it has no host")
    host, port = found[1], found[2]
    if port is None:
        return host, ""
    if not (port.isascii() and port.isdigit()) or len(port) > 5 or not 1 <= int(port) <= 65535:
        raise _malformed("a port is a number from 1 to 65535")
    return host, str(int(port))


# --- Hosts ---
def _host(host: str) -> str:
    if host.startswith("["):
        return _ipv6(host[1:-1])
    if "%" in host:
        _refuse_never_spelled(unquote(host))
        raise _malformed("a host name holds no %")
    name = _plain(host)
    if _looks_numeric(name):
        return _ipv4(host, name)
    return _name(host, name)


def _plain(host: str) -> str:
    """`host` as resolvers and browsers read it: full-width forms, ideographic dots and invisible marks undone."""
    read = unicodedata.normalize("NFKC", host.translate(_DOTS).translate(_IGNORED_IN_NAMES)).translate(_DOTS)
    return read.lower().removesuffix(".")


def _refuse_never_spelled(host: str) -> None:
    name = _plain(host)
    if _looks_numeric(name):
        address = _as_resolvers_read(name)
        if address is not None:
            _refuse_never(address)
    _refuse_metadata(name)


def _refuse_never(address: Address) -> None:
    shown = mapped_in(address) or address
    if int(shown) == 0:
        raise FormRefused("url_bind_address", field="base_url")
    if "never" in (standing_of(address), standing_of(shown)):
        raise _never(f"The address {shown}")
    if any(standing_of(inner) != "public" for inner in embedded_in(address)):
        raise _never(f"The address {shown}")


def _refuse_metadata(name: str) -> None:
    if name in METADATA_NAMES or any(name.endswith(f".{known}") for known in METADATA_NAMES):
        raise _never(f"The metadata name {name}")


def _ipv6(text: str) -> str:
    try:
        address = IPv6Address(text.replace("%25", "%", 1))
    except ValueError:
        raise _malformed("this is not an IPv6 address") from None
    _refuse_never(address)
    return str(mapped) if (mapped := mapped_in(address)) else f"[{address.compressed}]"


def _looks_numeric(name: str) -> bool:
    """True where a resolver might take the name for a number: its last label is one, decimal or hexadecimal."""
    last = name.rpartition(".")[2]
    return last.isdigit() or re.fullmatch(r"0x[0-9a-f]*", last) is not None


def _ipv4(host: str, name: str) -> str:
    address = _as_resolvers_read(name)
    if address is not None:
        _refuse_never(address)
    if address is None or host != str(address):
        raise _malformed("an IPv4 address is four decimal numbers, such as 192.168.1.100")
    return host


def _as_resolvers_read(name: str) -> IPv4Address | None:
    """inet_aton's reading: one to four numbers, octal after 0, hexadecimal after 0x, the last one filling the rest."""
    parts = name.split(".")
    try:
        numbers = [_number(part) for part in parts]
    except ValueError:
        return None
    *leading, last = numbers
    if len(parts) > 4 or any(number > 255 for number in leading) or last >= 256 ** (4 - len(leading)):
        return None
    return IPv4Address(sum(number << 24 - 8 * place for place, number in enumerate(leading)) + last)


def _number(part: str) -> int:
    for spelling, base in _NUMBERS:
        if found := spelling.fullmatch(part):
            return int(found[1] or "0", base)
    raise ValueError(part)


def _name(host: str, name: str) -> str:
    _refuse_metadata(name)
    if not host.isascii():
        if name.isascii():
            raise _malformed("write the host name in plain letters")
        name = _idna(name)
        _refuse_metadata(name)
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise _malformed("this is not a host name")
    return name


def _idna(name: str) -> str:
    try:
        return idna.encode(name, uts46=True, std3_rules=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise _malformed("this is not a host name") from None


# --- Paths ---
def _prefix(path: str) -> str:
    """What stays of a path: a reverse proxy's prefix, without the endpoint and the `/v1` that the kind adds itself."""
    path = re.sub(r"/{2,}", "/", path).rstrip("/")
    if not _PATH.fullmatch(path):
        raise _malformed("its path holds characters that do not belong there")
    read = unquote(path)
    climbs = any(segment in (".", "..") for segment in read.split("/"))
    if climbs or _UNPRINTABLE.search(read) or "%2f" in path.lower():
        raise _malformed("its path has no `..`, no encoded slash and no control characters")
    return _VERSION.sub("", _PASTED.sub("", path)).rstrip("/")
