"""Rows for the benchmark.

python -m benchmarks.seed tenant UPSTREAM_URL           one tenant, provider, model and key; prints the key
python -m benchmarks.seed keys-and-models KEYS MODELS   so many in the database; prints ten of that tenant's, as JSON
python -m benchmarks.seed tenants COUNT                 so many others, and 50 providers of that tenant
python -m benchmarks.seed queries PATH KEY              how many queries a GET takes
"""

from __future__ import annotations

import json
import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from providers.model_entries import create_entry
from providers.models import ModelEntry, Provider
from providers.registration import register_provider
from tenants import tokens
from tenants.actors import SYSTEM
from tenants.key_limits import Limits
from tenants.keys import create_key
from tenants.models import ApiKey, Tenant
from tenants.permissions import SCOPES, in_order
from tenants.rate_limits import RateLimits
from tenants.registration import create_tenant

MODEL_NAME = "gpt-3.5-turbo"
NAMED = 10  # keys and models that the load names
ROWS_AT_ONCE = 1000
REQUESTS_PER_MINUTE = 10_000_000  # a limit that is counted and not reached
CAPACITY = 512  # of the model server: more than all cases ask of it at once


def tenant(upstream_url: str) -> None:
    acme = create_tenant("acme", by=SYSTEM)
    limits = Limits(frozenset(SCOPES), rate_limits=RateLimits(requests_per_minute=REQUESTS_PER_MINUTE))
    _, key = create_key(tenant_id=acme.id, name="bench", limits=limits, by=SYSTEM, creator=None, acts_as_owner=True)
    provider = register_provider(
        tenant_id=acme.id,
        by=SYSTEM,
        kind="localai",
        name="bench",
        base_url=upstream_url,
        credentials={"api_key": "sk-bench-upstream"},
        settings={"max_concurrency": CAPACITY},
    )
    create_entry(provider, by=SYSTEM, fields={"name": MODEL_NAME, "type": "llm", "upstream_name": "bench-upstream"})
    print(key)


def keys_and_models(keys: str, models: str) -> None:
    """A hundredth of them the tenant's own."""
    acme = Tenant.objects.get(slug="acme")
    mine = Provider.objects.for_tenant(acme).get()
    few = min(int(keys), NAMED)
    tenants = [acme] if int(keys) <= NAMED else [acme, *(create_tenant(f"team-{n}", by=SYSTEM) for n in range(99))]
    shown = []
    for owner in tenants:
        minted = [tokens.mint() for _ in range(int(keys) // len(tenants))]
        ApiKey.unscoped.bulk_create([_key_row(owner, one) for one in minted], batch_size=ROWS_AT_ONCE)
        shown += [one.key for one in minted[:few]] if owner is acme else []
        server = mine if owner is acme else _copied_provider(mine, owner)
        rows = [_model_row(owner, server, number) for number in range(int(models) // len(tenants))]
        ModelEntry.unscoped.bulk_create(rows, batch_size=ROWS_AT_ONCE)
    print(json.dumps({"keys": shown, "models": [f"model-{number}" for number in range(few)]}))


def tenants(count: str) -> None:
    acme = Tenant.objects.get(slug="acme")
    first = Provider.objects.for_tenant(acme).get()
    others = [Tenant(slug=f"team-{number}", name=f"Team {number}") for number in range(int(count))]
    Tenant.objects.bulk_create(others, batch_size=ROWS_AT_ONCE)
    copies = [_provider_row(first, owner, f"server-{number}") for owner in others for number in range(2)]
    Provider.unscoped.bulk_create(copies, batch_size=ROWS_AT_ONCE)
    for number in range(1, 50):
        register_provider(
            tenant_id=acme.id,
            by=SYSTEM,
            kind="localai",
            name=f"server-{number}",
            base_url=first.base_url,
            credentials={"api_key": f"sk-bench-{number}"},
            settings={},
        )


def queries(path: str, key: str) -> None:
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client(headers={"Authorization": f"Bearer {key}", "Host": "127.0.0.1"})
    client.get(path)  # what a process asks once in its life
    with CaptureQueriesContext(connection) as seen:
        answer = client.get(path)
    assert answer.status_code == 200, answer.content
    assert len(answer.json()["results"]) == 50
    print(len(seen))


def _key_row(owner: Tenant, minted: tokens.MintedKey) -> ApiKey:
    return ApiKey(
        tenant=owner,
        name="bench",
        key_id=minted.key_id,
        digest=minted.digest,
        pepper_id=minted.pepper_id,
        last4=minted.last4,
        scopes=in_order(frozenset(SCOPES)),
        acts_as_owner=True,
        requests_per_minute=REQUESTS_PER_MINUTE,
    )


def _provider_row(first: Provider, owner: Tenant, name: str) -> Provider:
    return Provider(tenant=owner, kind=first.kind, name=name, base_url=first.base_url, settings=first.settings)


def _copied_provider(first: Provider, owner: Tenant) -> Provider:
    copied = _provider_row(first, owner, first.name)
    copied.save(force_insert=True)
    return copied


def _model_row(owner: Tenant, server: Provider, number: int) -> ModelEntry:
    upstream_name = "bench-upstream"
    return ModelEntry(tenant=owner, provider=server, name=f"model-{number}", type="llm", upstream_name=upstream_name)


COMMANDS = {"tenant": tenant, "keys-and-models": keys_and_models, "tenants": tenants, "queries": queries}

if __name__ == "__main__":
    COMMANDS[sys.argv[1]](*sys.argv[2:])
