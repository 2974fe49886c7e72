"""A blob opens in the one place it was sealed for, unaltered, and never shares a nonce with another."""

from __future__ import annotations

import inspect
import os
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenants.sealing import Box, Context, Undecryptable, data_keys, open_sealed, seal, sealing
from tenants.sealing.data_keys import DataKey
from tests.security.secrets.children import child

ACME, GLOBEX = UUID(int=1), UUID(int=2)
NEVER = float("inf")
pytestmark = pytest.mark.django_db  # it is asked for versions that do not exist
HEAD = struct.Struct(">2sBBI12s")  # magic, format, algorithm, version, nonce
OWN_WORDS = inspect.getsource(sealing).encode()  # a plaintext may happen to be one of them

words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
places = st.builds(
    Context, tenant_id=st.just(ACME), table=words, row_id=st.uuids(), field=words, origin=st.just("") | words
)
plaintexts = st.binary(min_size=1, max_size=200)


@pytest.fixture(autouse=True)
def keys() -> Iterator[None]:
    """Two tenants with two versions each, known to this process alone."""
    for tenant_id in (ACME, GLOBEX):
        for version in (1, 2):
            data_keys.cache.put((tenant_id, version), DataKey(version, os.urandom(32)), NEVER)
        newest = data_keys.cache.get((tenant_id, 2))
        assert newest is not None
        data_keys.cache.put((tenant_id, None), newest, NEVER)
    yield
    data_keys.forget(None)


def cases(most: int) -> Any:
    slow_or_shared = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(max_examples=most, deadline=None, suppress_health_check=slow_or_shared)


def moved_to_version(blob: bytes, version: int) -> bytes:
    magic, form, algorithm, _, nonce = HEAD.unpack_from(blob)
    return HEAD.pack(magic, form, algorithm, version, nonce) + blob[HEAD.size :]


def refused(blob: bytes, place: Context, plaintext: bytes) -> None:
    with pytest.raises(Undecryptable) as refusal:
        open_sealed(blob, place)
    told = f"{refusal.value} {refusal.value.__cause__}".encode()
    is_said_anyway = plaintext in OWN_WORDS or plaintext in f"{place.table}.{place.field}".encode()
    assert len(plaintext) < 4 or plaintext not in told or is_said_anyway


# --- Moving ---
def swap(kind: str, place: Context, other: Context, plaintext: bytes) -> None:
    """Seal for `place`, and open where one thing is the other's."""
    blob = seal(plaintext, place)
    assert open_sealed(blob, place) == plaintext
    if kind == "version":
        refused(moved_to_version(blob, 1), place, plaintext)
    elif kind == "tenant":
        refused(blob, replace(place, tenant_id=GLOBEX), plaintext)
    elif getattr(other, kind) != getattr(place, kind):
        refused(blob, replace(place, **{kind: getattr(other, kind)}), plaintext)


KINDS = ("tenant", "table", "row_id", "field", "origin", "version")


@pytest.mark.parametrize("kind", KINDS)
@cases(100)
@given(place=places, other=places, plaintext=plaintexts)
def test_a_blob_moved_elsewhere_does_not_open(kind, place, other, plaintext):
    swap(kind, place, other, plaintext)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", KINDS)
@cases(1000)
@given(place=places, other=places, plaintext=plaintexts)
def test_a_blob_moved_elsewhere_does_not_open_a_thousand_times(kind, place, other, plaintext):
    swap(kind, place, other, plaintext)


@cases(100)
@given(place=places, plaintext=plaintexts, at=st.integers(0, 40))
def test_what_stands_between_two_parts_of_a_place_cannot_be_moved_across(place, plaintext, at):
    whole = place.field + place.origin
    other = replace(place, field=whole[:at], origin=whole[at:])

    if other != place:
        refused(seal(plaintext, place), other, plaintext)


def test_not_even_where_both_versions_have_the_same_key():
    place = Context(ACME, "t", UUID(int=3), "f")
    same = data_keys.cache.get((ACME, 2))
    data_keys.cache.put((ACME, 1), DataKey(1, same.key), NEVER)

    refused(moved_to_version(seal(b"secret", place), 1), place, b"secret")


# --- Altering ---
@cases(10)
@given(place=places, plaintext=plaintexts)
def test_no_flipped_bit_is_accepted(place, plaintext):
    blob = seal(plaintext, place)
    for index in range(len(blob)):
        altered = bytearray(blob)
        altered[index] ^= 1 << (index % 8)
        refused(bytes(altered), place, plaintext)


@cases(20)
@given(place=places, plaintext=plaintexts, more=st.binary(min_size=1, max_size=20))
def test_no_cut_or_longer_blob_is_accepted(place, plaintext, more):
    blob = seal(plaintext, place)
    for altered in [*(blob[:length] for length in range(len(blob))), blob + more]:
        refused(altered, place, plaintext)


@cases(200)
@given(blob=st.binary(max_size=100) | st.binary(max_size=100).map(lambda rest: b"MY\x01\x01\0\0\0\x02" + rest))
def test_no_made_up_blob_is_accepted(blob):
    refused(blob, Context(ACME, "t", UUID(int=3), "f"), b"")


@pytest.mark.parametrize(
    ("head", "why"),
    [(b"MX\x01\x01", "format"), (b"MY\x02\x01", "format"), (b"MY\x01\x02", "format"), (b"MY\x00\x00", "format")],
)
def test_an_unknown_format_or_algorithm_is_refused_by_name(head, why):
    place = Context(ACME, "t", UUID(int=3), "f")

    with pytest.raises(Undecryptable, match=why):
        open_sealed(head + seal(b"secret", place)[4:], place)


# --- Nonces ---
def seal_many(box: Box, count: int, pipe: Connection) -> None:
    pipe.send_bytes(b"".join(box.seal(b"")[8:20] for _ in range(count)))


def nonces_of_forks(count: int) -> list[bytes]:
    """Four processes that begin with the very same memory, and a parent that goes on sealing."""
    box = Box(Context(ACME, "t", UUID(int=3), "f"))
    box.seal(b"so that the cipher stands before the fork")
    with ExitStack() as family:
        forks = [family.enter_context(child(partial(seal_many, box, count // 5))) for _ in range(4)]
        seen = [b"".join(box.seal(b"")[8:20] for _ in range(count // 5))]
        seen += [fork.pipe.recv_bytes() for fork in forks]
    together = b"".join(seen)
    return [together[at : at + 12] for at in range(0, len(together), 12)]


def test_no_nonce_comes_twice_not_even_after_a_fork():
    nonces = nonces_of_forks(20_000)

    assert len(set(nonces)) == len(nonces) == 20_000


@pytest.mark.long
def test_no_nonce_comes_twice_in_a_million():
    nonces = nonces_of_forks(1_000_000)

    assert len(set(nonces)) == len(nonces) == 1_000_000
