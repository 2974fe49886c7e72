"""What is sealed for one place opens there and nowhere else."""

import copy
import pickle
from dataclasses import replace

import pytest
from django.db import transaction

from tenants.ids import new_id
from tenants.models import Tenant, TenantKey
from tenants.sealing import Context, Secret, Undecryptable, data_keys, fingerprint, open_sealed, seal

PLAINTEXT = b"sk-acme-0123456789"

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme():
    return Tenant.objects.create(slug="acme", name="Acme")


@pytest.fixture
def globex():
    return Tenant.objects.create(slug="globex", name="Globex")


@pytest.fixture
def place(acme):
    return Context(acme.id, "providers_sealedsecret", new_id(), "api_key", "http://gpu:8080")


def test_a_sealed_secret_opens_in_its_place(place):
    assert open_sealed(seal(PLAINTEXT, place), place) == PLAINTEXT


def test_the_same_secret_never_seals_to_the_same_blob(place):
    assert seal(PLAINTEXT, place) != seal(PLAINTEXT, place)


def test_the_blob_does_not_hold_the_secret(place):
    assert PLAINTEXT not in seal(PLAINTEXT, place)


@pytest.mark.parametrize(
    "moved",
    [
        pytest.param({"table": "providers_job"}, id="table"),
        pytest.param({"row_id": new_id()}, id="row"),
        pytest.param({"field": "admin_api_key"}, id="field"),
        pytest.param({"origin": "http://evil.example:8080"}, id="origin"),
        pytest.param({"field": "api_keyhttp", "origin": "://gpu:8080"}, id="border-between-parts"),
    ],
)
def test_a_blob_moved_to_another_place_does_not_open(place, moved):
    blob = seal(PLAINTEXT, place)

    with pytest.raises(Undecryptable) as refusal:
        open_sealed(blob, replace(place, **moved))

    assert PLAINTEXT.decode() not in str(refusal.value)


def test_a_blob_moved_to_another_tenant_does_not_open(place, globex):
    blob = seal(PLAINTEXT, place)
    there = replace(place, tenant_id=globex.id)
    seal(b"globex has a key of the same version", there)

    with pytest.raises(Undecryptable):
        open_sealed(blob, there)


def test_no_flipped_bit_is_accepted(place):
    blob = seal(PLAINTEXT, place)

    for index in range(len(blob)):
        for bit in (0x01, 0x80):
            altered = blob[:index] + bytes([blob[index] ^ bit]) + blob[index + 1 :]
            with pytest.raises(Undecryptable):
                open_sealed(altered, place)


def test_no_cut_or_extended_blob_is_accepted(place):
    blob = seal(PLAINTEXT, place)

    for altered in [blob[:length] for length in range(len(blob))] + [blob + b"\x00"]:
        with pytest.raises(Undecryptable):
            open_sealed(altered, place)


def test_plain_bytes_are_refused_and_not_given_back_as_they_are(place):
    with pytest.raises(Undecryptable):
        open_sealed(PLAINTEXT * 4, place)


def test_an_old_blob_opens_with_the_key_version_that_it_names(place, acme):
    old = seal(PLAINTEXT, place)
    first = TenantKey.objects.for_tenant(acme).get()
    data_keys.forget(acme.id)
    second = data_keys.make_version(acme.id, 2)

    new = seal(PLAINTEXT, place)

    assert (first.version, second.version) == (1, 2)
    assert open_sealed(old, place) == open_sealed(new, place) == PLAINTEXT
    assert TenantKey.objects.for_tenant(acme).count() == 2


def test_a_tenant_whose_key_is_gone_has_nothing_left_to_read(place, acme):
    blob = seal(PLAINTEXT, place)
    TenantKey.objects.for_tenant(acme).delete()
    data_keys.forget(acme.id)

    with pytest.raises(Undecryptable, match="gone"):
        open_sealed(blob, place)


def test_each_tenant_has_a_data_key_of_its_own(acme, globex):
    for tenant in (acme, globex):
        seal(PLAINTEXT, Context(tenant.id, "t", new_id(), "f"))

    acme_key, globex_key = TenantKey.unscoped.all()

    assert bytes(acme_key.wrapped) != bytes(globex_key.wrapped)


def test_fingerprints_compare_within_one_tenant_only(acme, globex):
    assert fingerprint(acme.id, "sk-1") == fingerprint(acme.id, "sk-1")
    assert fingerprint(acme.id, "sk-1") != fingerprint(acme.id, "sk-2")
    assert fingerprint(acme.id, "sk-1") != fingerprint(globex.id, "sk-1")


@pytest.mark.django_db(transaction=True)
def test_a_data_key_whose_transaction_was_rolled_back_is_not_used_again(acme, place):
    with transaction.atomic():
        seal(PLAINTEXT, place)
        transaction.set_rollback(True)

    blob = seal(PLAINTEXT, place)
    data_keys.forget(acme.id)

    assert open_sealed(blob, place) == PLAINTEXT


class TestASecretText:
    secret = Secret("sk-acme-0123456789")

    def test_hides_wherever_it_is_printed(self):
        printed = f"{self.secret} {self.secret!r} {self.secret!s} {self.secret:>40} {[self.secret]}"
        assert "sk-acme" not in printed

    def test_does_not_travel(self):
        for travel in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="does not travel"):
                travel(self.secret)

    def test_is_revealed_on_request(self):
        assert self.secret.reveal() == "sk-acme-0123456789"

    def test_is_no_dictionary_key(self):
        with pytest.raises(TypeError):
            hash(self.secret)


def test_a_blob_of_format_1_is_bound_to_its_place_as_the_first_ones_were(place):
    blob, key = seal(PLAINTEXT, place), data_keys.sealing_key(place.tenant_id)
    parts = (
        b"modelyard/secret",
        b"\x01\x01",  # format, algorithm
        place.tenant_id.bytes,
        b"providers_sealedsecret",
        place.row_id.bytes,
        b"api_key",
        b"\x00\x00\x00\x01",  # the data key's version
        b"http://gpu:8080",
    )
    additional_data = b"".join(len(part).to_bytes(4, "big") + part for part in parts)

    assert key.cipher.decrypt(blob[8:20], blob[20:], additional_data) == PLAINTEXT
