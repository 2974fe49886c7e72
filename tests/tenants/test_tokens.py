"""What an API key looks like, and how a typo is told from a key."""

import re
import zlib

import pytest

from tenants import tokens


def test_a_key_shows_whose_it_is_and_ends_with_a_checksum():
    key = tokens.mint().key

    assert re.fullmatch(r"myd_live_[0-9A-Za-z]{10}_[0-9A-Za-z]{49}", key)


def test_no_two_keys_are_alike():
    minted = [tokens.mint() for _ in range(1000)]

    assert len({one.key for one in minted}) == len({one.key_id for one in minted}) == 1000


def test_a_key_is_read_back():
    minted = tokens.mint()

    parsed = tokens.parse(minted.key)

    assert parsed is not None
    assert (parsed.key, parsed.key_id) == (minted.key, minted.key_id)
    assert minted.key.endswith(minted.last4)


def test_every_single_typo_is_found_without_the_database():
    key = tokens.mint().key

    for place in range(len(key)):
        for wrong in "0Az_":
            typo = key[:place] + wrong + key[place + 1 :]
            assert typo == key or tokens.parse(typo) is None


@pytest.mark.parametrize(
    "text",
    ["", "myd_live_", "sk-1234", "myd_live_" + "a" * 60, "myd_live_" + "٣" * 10 + "_" + "a" * 49, "x" * 100_000],
    ids=["empty", "prefix", "another-kind", "no-parts", "digits-of-another-script", "huge"],
)
def test_garbage_is_no_key(text):
    assert tokens.parse(text) is None


def test_a_line_end_after_the_key_is_not_forgiven():
    assert tokens.parse(tokens.mint().key + "\n") is None


def test_the_checksum_is_crc32_in_base62():
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    key = tokens.mint().key

    number = 0
    for digit in key[-6:]:
        number = number * 62 + alphabet.index(digit)

    assert number == zlib.crc32(key[:-6].encode())


def test_the_stored_digest_is_not_the_key_and_needs_the_pepper(settings):
    minted = tokens.mint()
    settings.SECRET_KEY = "another-secret-key-0123456789-abcdefghijklmnopqrstuvwxyz"

    assert minted.key not in minted.digest
    assert not tokens.matches(minted.key, minted.digest, minted.pepper_id)


def test_a_key_outlives_the_rotation_of_the_secret_key(settings):
    minted = tokens.mint()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-secret-key-0123456789-abcdefghijklmnopqrstuvwxyz"

    assert tokens.matches(minted.key, minted.digest, minted.pepper_id)
    assert tokens.active_pepper_id() != minted.pepper_id


def test_a_minted_key_does_not_print_itself():
    minted = tokens.mint()

    assert minted.key not in repr(minted)
    assert minted.key not in repr(tokens.parse(minted.key))
