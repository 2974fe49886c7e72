"""One order for locks, so that a change, the end of a run and a rotation never wait for each other in a ring.

Whoever changes a provider, its credentials or the state of its runs takes the provider's row first. The lock lets
rows that point at the provider (jobs, model entries) be inserted meanwhile. SQLite has one writer anyway.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from providers.models import Provider
from tenants.problems import Problem


@contextmanager
def locked(provider: Provider) -> Iterator[None]:
    """A transaction that holds the provider, read anew under the lock. Raises Problem when it is gone."""
    with transaction.atomic():
        try:
            provider.refresh_from_db(from_queryset=_holding(provider.tenant_id))
        except Provider.DoesNotExist:
            raise Problem("not_found") from None
        yield


@contextmanager
def provider_locked(tenant_id: UUID, provider_id: UUID | None) -> Iterator[Provider | None]:
    """The same by id; None where there is no provider (any more)."""
    with transaction.atomic():
        yield _holding(tenant_id).filter(id=provider_id).first() if provider_id is not None else None


def _holding(tenant_id: UUID) -> QuerySet[Provider]:
    return Provider.objects.for_tenant(tenant_id).select_for_update(no_key=True)
