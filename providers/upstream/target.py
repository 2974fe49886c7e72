"""A provider opened for dialling. The only object that carries secrets from routing to the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn
from uuid import UUID

from providers.upstream.egress import EgressPolicy


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Connect and total bind every call; first-token (request sent to first meaningful frame) and idle bind streams."""

    connect_seconds: float = 5.0
    first_token_seconds: float = 300.0
    idle_seconds: float = 60.0
    total_seconds: float = 1800.0

    def with_own(self, figures: Mapping[str, Any]) -> Timeouts:
        """These, but for those that `figures` hold, named as in settings: `connect_timeout_seconds`, …"""
        own = {name.replace("_timeout", ""): seconds for name, seconds in figures.items() if seconds is not None}
        return replace(self, **own) if own else self


# Compared by identity: what is prepared for a target is kept beside it, and two targets may differ in secrets alone.
@dataclass(frozen=True, repr=False, eq=False)
class Target:
    """`headers` and `admin_headers` hold the secrets: neither repr, str nor pickle ever shows them."""

    tenant_id: UUID
    provider_id: UUID | None  # None: a form that is not saved
    kind: str
    base_url: str  # normalised by `egress.check_base_url`
    headers: Mapping[str, str]
    admin_headers: Mapping[str, str] | None
    timeouts: Timeouts
    verify_tls: bool
    policy: EgressPolicy
    upstream_name: str | None
    model_name: str | None
    model_entry_id: UUID | None
    endpoint: str
    max_concurrency: int | None
    capacity: int | None = None  # of the endpoint, all providers of the box considered
    tenant_weight: int = 1  # of the tenant's turns where others wait too
    tenant_cap: int | None = None  # of the tenant's requests in flight at the endpoint
    parameters: Mapping[str, Any] = field(default_factory=dict)  # the model entry's own defaults of the body

    def __repr__(self) -> str:
        return f"<Target {self.kind} {self.base_url} provider={self.provider_id} model={self.model_name}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A Target holds secrets and is never pickled.")
