"""A name whose answer changes between two lookups: at save, at the check, at the dial, from call to call."""

from __future__ import annotations

import itertools
import random

import pytest

from providers.errors import UpstreamError
from providers.upstream.client import ConnectTrace, UpstreamClient
from providers.upstream.egress import EgressPolicy, check_base_url
from providers.upstream.target import Target
from tests.providers.upstream.conftest import Resolver, target_to
from tests.security.dials import watched

NOTHING = EgressPolicy((), "nothing")
ALLOWED = ["1.1.1.1"]
DENIED = [["127.0.0.1"], ["169.254.169.254"], ["10.0.0.1"], ["::1"], ["::ffff:127.0.0.1"], ["1.1.1.1", "127.0.0.1"]]


async def call(client: UpstreamClient, target: Target, way: int) -> None:
    if way == 0:
        await client.fetch(target, "GET", "/v1/models")
    elif way == 1:
        await client.connect(target, ConnectTrace())
    else:
        await client.stream(target, "/v1/chat/completions", content=b"{}").__aenter__()


async def try_to_get_in(monkeypatch: pytest.MonkeyPatch, tries: int) -> set[tuple[str, int]]:
    """Every place that was dialled while the name moved at random, by all three ways to a socket."""
    base_url = check_base_url("https://model.test")
    moves = random.Random(20270131)
    with watched(("", 0)) as dials:
        client = UpstreamClient()
        for _, way in zip(range(tries), itertools.cycle(range(3)), strict=False):
            Resolver(monkeypatch, *[moves.choice([ALLOWED, moves.choice(DENIED)]) for _ in range(4)])
            target = target_to(base_url, policy=NOTHING)
            with pytest.raises(UpstreamError):  # public addresses refuse here, others are refused
                await call(client, target, way)
        await client.aclose()
    return dials.places


async def test_a_name_that_moves_leads_to_no_denied_address(monkeypatch):
    assert await try_to_get_in(monkeypatch, 1000) == {("1.1.1.1", 443)}
