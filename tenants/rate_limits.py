"""How much a key or a tenant may ask of `/v1`: figures only. They are counted in `providers.limits`, beside Redis."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any
from uuid import UUID

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

MOST_A_MINUTE = 100_000_000
MOST_STREAMS = 100_000


@dataclass(frozen=True, slots=True)
class RateLimits:
    """None means no limit of that sort."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent_streams: int | None = None

    def __bool__(self) -> bool:
        return (self.requests_per_minute, self.tokens_per_minute, self.concurrent_streams) != (None, None, None)

    def as_dict(self) -> dict[str, int | None]:
        return asdict(self)


NO_LIMITS = RateLimits()
FIGURES = tuple(field.name for field in fields(RateLimits))


@dataclass(frozen=True, slots=True)
class Bound:
    """Limits with whom they count for: one key (`api_key_id`), or all that a tenant does."""

    tenant_id: UUID
    api_key_id: UUID | None
    limits: RateLimits

    @property
    def whose(self) -> str:
        return "tenant" if self.api_key_id is None else "API key"

    @property
    def name(self) -> str:
        """What its counts are kept under."""
        return f"{self.tenant_id}:{self.api_key_id or 'all'}"


class RateLimited(models.Model):
    """The columns of a row that has limits of its own."""

    requests_per_minute = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_A_MINUTE)],
        help_text="Calls of /v1 and submitted jobs. Empty: no limit.",
    )
    tokens_per_minute = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_A_MINUTE)],
        help_text="Tokens in and out. Empty: no limit.",
    )
    concurrent_streams = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_STREAMS)],
        help_text="Streamed calls of /v1 at the same time. Empty: no limit.",
    )

    class Meta:
        abstract = True

    @property
    def rate_limits(self) -> RateLimits:
        return RateLimits(self.requests_per_minute, self.tokens_per_minute, self.concurrent_streams)


def bounds_of(tenant: Any, api_key: Any | None) -> tuple[Bound, ...]:
    """What binds a call: the key's limits, then the tenant's; empty where neither has any. Both are `RateLimited`."""
    bounds = [Bound(tenant.id, api_key.id, api_key.rate_limits)] if api_key is not None else []
    bounds.append(Bound(tenant.id, None, tenant.rate_limits))
    return tuple(bound for bound in bounds if bound.limits)
