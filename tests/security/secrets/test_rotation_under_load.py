"""Data keys are replaced while others read and write, and while the rotator itself is killed: nobody notices."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import pytest
from django.db import transaction

from providers.models import Credential, SealedSecret
from providers.sealed_fields import secret_place, write_fields
from tenants.models import KeyRotation, TenantKey
from tenants.sealing import Undecryptable, open_sealed, seal
from tenants.sealing.progress import Tally
from tenants.sealing.rotation import rotate_data_keys
from tests.factories import make_team
from tests.providers.rows import add_provider
from tests.security.secrets.children import child, told_to_stop

Facts = dict[str, Any]
BASE_URL = "http://10.1.2.3:8080"
PAUSE_SECONDS = 0.002  # all of them share two cores

pytestmark = pytest.mark.django_db(transaction=True)


# --- Each in a process of its own ---
def read(pipe: Connection) -> None:
    """Open any secret, again and again. Each is `value-<credential>-<round>`, and no round is older than the last."""
    ids = list(SealedSecret.unscoped.values_list("pk", flat=True))
    rounds: dict[Any, int] = {}
    failures, reads = [], 0
    while not told_to_stop(pipe):
        secret = SealedSecret.unscoped.get(pk=random.choice(ids))
        try:
            value, seen = open_sealed(bytes(secret.blob), secret_place(secret)).decode().rsplit("-", 1)
        except Undecryptable as error:
            failures.append(str(error))
            continue
        if value != f"value-{secret.credential_id}" or int(seen) < rounds.get(secret.pk, 0):
            failures.append(f"{secret.pk}: {value}-{seen}")
        rounds[secret.pk] = int(seen)
        reads += 1
        time.sleep(PAUSE_SECONDS)
    pipe.send({"reads": reads, "failures": failures})


def write(number: int, of: int, pipe: Connection) -> None:
    """Replace those of one's own secrets, again and again; `last` is what was told to be committed."""
    secrets = [*SealedSecret.unscoped.order_by("pk").select_related("credential")][number::of]
    last: dict[Any, int] = {}
    failures = []
    while not told_to_stop(pipe):
        secret = random.choice(secrets)
        value = last.get(secret.pk, 0) + 1
        try:
            fields = {secret.field: f"value-{secret.credential_id}-{value}"}
            write_fields(secret.credential, fields, base_url=BASE_URL)
        except Exception as error:
            failures.append(repr(error))
            continue
        last[secret.pk] = value
        time.sleep(PAUSE_SECONDS)
    pipe.send({"last": last, "failures": failures})


def rotate(pipe: Connection) -> None:
    """What `rotate_keys --dek` does; says each step."""
    tally = rotate_data_keys(None, report=lambda tally, what: pipe.send(tally))
    pipe.send("done")
    pipe.send(tally)


def rotate_until_killed(pipe: Connection) -> None:
    """The same, but for its end, which it never comes to."""
    rotate_data_keys(None, report=lambda tally, what: pipe.send(tally), wait=lambda seconds: time.sleep(3600))


# --- The test ---
def add_secrets(count: int, *, tenants: int) -> None:
    with transaction.atomic():
        for number in range(tenants):
            provider = add_provider(make_team(f"team-{number}"), BASE_URL)
            credentials = [
                Credential(tenant_id=provider.tenant_id, provider=provider, name=f"c{place}", state="staged")
                for place in range(count // tenants)
            ]
            Credential.unscoped.bulk_create(credentials)
            SealedSecret.unscoped.bulk_create([first_secret(credential) for credential in credentials])


def first_secret(credential: Credential) -> SealedSecret:
    secret = SealedSecret(tenant_id=credential.tenant_id, credential=credential, field="api_key", origin=BASE_URL)
    secret.blob = seal(f"value-{credential.pk}-0".encode(), secret_place(secret))
    return secret


def kill_a_rotator_that_moves() -> None:
    with child(rotate_until_killed) as rotator:
        while not rotator.word().moved:
            pass
        rotator.kill()


def rotate_to_the_end() -> Tally:
    with child(rotate) as rotator:
        while rotator.word() != "done":
            pass
        tally: Tally = rotator.word()
        return tally


def rotated_under_load(*, secrets: int, tenants: int, readers: int, writers: int, kills: int) -> list[Facts]:
    add_secrets(secrets, tenants=tenants)
    with ExitStack() as crowd:
        workers = [crowd.enter_context(child(read)) for _ in range(readers)]
        workers += [crowd.enter_context(child(partial(write, number, writers))) for number in range(writers)]
        for _ in range(kills):
            kill_a_rotator_that_moves()
        assert KeyRotation.objects.get().finished_at is None
        assert rotate_to_the_end().unreadable == 0
        return [worker.ended() for worker in workers]


def lost_writes(results: list[Facts]) -> list[str]:
    """Secrets that do not hold the last value that a writer was told was committed."""
    last = {pk: value for facts in results for pk, value in facts.get("last", {}).items()}
    return [
        str(secret.pk)
        for secret in SealedSecret.unscoped.all()
        if open_sealed(bytes(secret.blob), secret_place(secret)).decode()
        != f"value-{secret.credential_id}-{last.get(secret.pk, 0)}"
    ]


def check(results: list[Facts], *, tenants: int, least_of_each: int) -> None:
    assert [failure for facts in results for failure in facts["failures"]] == []
    assert sum(facts.get("reads", 0) for facts in results) > least_of_each
    assert sum(sum(facts.get("last", {}).values()) for facts in results) > least_of_each
    assert lost_writes(results) == []
    assert sorted(TenantKey.unscoped.values_list("version", flat=True)) == [1] * tenants + [2] * tenants
    assert {bytes(blob)[4:8] for blob in SealedSecret.unscoped.values_list("blob", flat=True)} == {b"\0\0\0\2"}


def test_a_rotator_that_is_killed_once_costs_no_read_and_no_write():
    results = rotated_under_load(secrets=400, tenants=2, readers=1, writers=1, kills=1)

    check(results, tenants=2, least_of_each=50)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_ten_thousand_secrets_four_readers_two_writers_and_five_kills():
    results = rotated_under_load(secrets=10_000, tenants=10, readers=4, writers=2, kills=5)

    check(results, tenants=10, least_of_each=1000)
