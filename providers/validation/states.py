"""Which state of a provider a diagnosis stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from providers.models import Provider

UNREACHABLE: Final = frozenset(
    {"destination_forbidden", "dns_failed", "connection_refused_loopback", "connection_refused", "connect_timeout"}
    | {"tls_wrong_version", "tls_untrusted", "web_page_not_api", "path_not_found"}
)
STATE_OF_CODE: Final[Mapping[str, str]] = {
    **dict.fromkeys(UNREACHABLE, Provider.State.UNREACHABLE),
    "auth_failed": Provider.State.AUTH_FAILED,
    "model_loading": Provider.State.LOADING,
    "undecryptable": Provider.State.UNDECRYPTABLE,
}
