"""A keyring that cannot open this database, or that others can read, is refused before anything is served."""

import asyncio
import base64

import pytest
from django.core.checks import run_checks
from starlette.applications import Starlette

from config.asgi import lifespan
from tenants.ids import new_id
from tenants.in_db import close_pool
from tenants.models import Tenant
from tenants.sealing import Context, KeyringError, Undecryptable, data_keys, open_sealed, seal, verify_keyring


def key(seed: int) -> str:
    return base64.b64encode(bytes((seed * 7 + n * 31) % 256 for n in range(32))).decode()


@pytest.fixture
def place(db):
    acme = Tenant.objects.create(slug="acme", name="Acme")
    yield Context(acme.id, "t", new_id(), "f")
    data_keys.forget(acme.id)


@pytest.mark.django_db
def test_a_keyring_that_opens_what_is_there_is_verified(settings, place):
    settings.KEYRING = f"k1:{key(1)}"
    seal(b"x", place)

    verify_keyring()


@pytest.mark.django_db
def test_the_right_id_with_the_wrong_bytes_is_refused_at_start(settings, place):
    settings.KEYRING = f"k1:{key(1)}"
    verify_keyring()
    settings.KEYRING = f"k1:{key(2)}"

    with pytest.raises(KeyringError, match="not the one that this database was sealed with"):
        verify_keyring()


@pytest.mark.django_db
def test_wrong_bytes_are_refused_before_a_new_tenant_is_sealed_with_them(settings, place):
    settings.KEYRING = f"k1:{key(1)}"
    verify_keyring()
    settings.KEYRING = f"k1:{key(2)}"

    with pytest.raises(KeyringError):
        seal(b"x", place)


@pytest.mark.django_db
def test_a_key_that_the_database_still_needs_must_stay(settings, place):
    settings.KEYRING = f"k1:{key(1)}"
    blob = seal(b"x", place)
    settings.KEYRING = f"k2:{key(2)}"
    data_keys.forget(place.tenant_id)

    with pytest.raises(KeyringError, match=r"Put the line k1:… back"):
        verify_keyring()
    with pytest.raises(Undecryptable):
        open_sealed(blob, place)


@pytest.mark.django_db
def test_a_new_first_key_leaves_what_the_old_one_wrapped_readable(settings, place):
    settings.KEYRING = f"k1:{key(1)}"
    blob = seal(b"x", place)
    settings.KEYRING = f"k2:{key(2)},k1:{key(1)}"
    data_keys.forget(place.tenant_id)

    verify_keyring()

    assert open_sealed(blob, place) == b"x"


@pytest.mark.parametrize(
    ("keyring", "message"),
    [
        pytest.param("", "No keyring", id="missing"),
        pytest.param("# nothing", "is empty", id="empty"),
        pytest.param("k1", "Entry 1", id="no-colon"),
        pytest.param("k 1:AAAA", "Entry 1", id="bad-id"),
        pytest.param("k1:%%%", "not base64", id="not-base64"),
        pytest.param("k1:" + base64.b64encode(b"short").decode(), "has 5 bytes", id="short"),
        pytest.param("k1:" + base64.b64encode(b"a" * 32).decode(), "guessable", id="one-byte-repeated"),
        pytest.param(f"k1:{key(1)},k1:{key(2)}", "twice", id="twice"),
    ],
)
def test_an_unfit_keyring_is_refused_with_a_way_out(settings, keyring, message):
    settings.KEYRING = keyring

    (refusal,) = [found for found in run_checks(tags=["security"]) if found.id == "tenants.E002"]

    assert message in refusal.msg
    assert key(1) not in refusal.msg


def test_a_keyring_made_from_the_secret_key_is_refused(settings):
    settings.SECRET_KEY = "the-secret-key-that-is-long-enough-to-be-cut-0123456789"
    settings.KEYRING = "k1:" + base64.b64encode(settings.SECRET_KEY[:32].encode()).decode()

    assert "tenants.E002" in [found.id for found in run_checks(tags=["security"])]


def test_a_keyring_file_open_to_others_is_refused(settings, tmp_path):
    file = tmp_path / "keyring"
    file.write_text(f"k1:{key(1)}\n")
    file.chmod(0o640)
    settings.KEYRING, settings.KEYRING_FILE = "", str(file)

    (refusal,) = [found for found in run_checks(tags=["security"]) if found.id == "tenants.E002"]

    assert f"chmod 600 {file}" in refusal.msg


@pytest.mark.django_db
def test_a_keyring_file_of_its_owner_is_used(settings, tmp_path, place):
    file = tmp_path / "keyring"
    file.write_text(f"# made by hand\nk1:{key(1)}\n")
    file.chmod(0o600)
    settings.KEYRING, settings.KEYRING_FILE = "", str(file)

    assert open_sealed(seal(b"x", place), place) == b"x"


def test_a_file_and_a_setting_that_disagree_are_refused(settings, tmp_path):
    file = tmp_path / "keyring"
    file.write_text(f"k1:{key(1)}\n")
    file.chmod(0o600)
    settings.KEYRING, settings.KEYRING_FILE = f"k1:{key(2)}", str(file)

    (refusal,) = [found for found in run_checks(tags=["security"]) if found.id == "tenants.E002"]

    assert "different keys" in refusal.msg


def test_a_short_or_plain_secret_key_is_refused(settings):
    for weak in ("short", "a" * 60):
        settings.SECRET_KEY = weak
        assert "tenants.E001" in [found.id for found in run_checks(tags=["security"])]


@pytest.mark.django_db(transaction=True)
def test_a_web_process_with_the_wrong_bytes_does_not_start(settings):
    settings.KEYRING = f"k1:{key(1)}"
    verify_keyring()
    settings.KEYRING = f"k1:{key(2)}"

    async def start():
        async with lifespan(Starlette()):
            pass

    with pytest.raises(KeyringError, match="not the one that this database was sealed with"):
        asyncio.run(start())
    close_pool()
