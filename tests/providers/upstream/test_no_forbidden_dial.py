"""No connect to a denied address, seen by Python's own audit events: not inferred from what was answered."""

import asyncio
import ipaddress
import socket
import sys
import threading

import pytest
import uvloop

from providers.errors import ProviderError, UpstreamError
from providers.upstream import dial
from providers.upstream.client import ConnectTrace, UpstreamClient
from providers.upstream.egress import EgressPolicy, check_base_url, parse_allow
from tests.providers.upstream.conftest import Resolver, target_to
from tests.providers.upstream.scripted import Scripted, always, answer
from tests.providers.upstream.test_base_url import REFUSED

NOTHING = EgressPolicy((), "nothing")
EVERYTHING = EgressPolicy(parse_allow("0.0.0.0/0,::/0"), "everything")

_dialled: list[tuple[str, int]] = []


def _note(event, args):
    is_ours = threading.current_thread() is threading.main_thread()  # and not what another test has left behind
    if event == "socket.connect" and isinstance(args[1], tuple) and is_ours:
        _dialled.append(args[1][:2])


sys.addaudithook(_note)  # for good: Python takes none away


@pytest.fixture
def dialled():
    _dialled.clear()
    return _dialled


async def try_everything(client, url, policy):
    """Every way that leads to a socket; returns the codes."""
    target = target_to(url, policy=policy, connect_seconds=2.0)
    codes = []
    for attempt in (
        lambda: client.fetch(target, "GET", "/v1/models"),
        lambda: client.connect(target, ConnectTrace()),
        lambda: open_stream(client, target),
    ):
        with pytest.raises(UpstreamError) as raised:
            await attempt()
        codes.append(raised.value.code)
        assert raised.value.sent is False
    return codes


async def open_stream(client, target):
    async with client.stream(target, "/v1/chat/completions", content=b"{}"):
        pass


NEVER = [
    "http://169.254.169.254",
    "https://169.254.169.254",
    "http://169.254.170.2",
    "http://100.100.100.200",
    "http://168.63.129.16",
    "http://192.0.0.192",
    "http://0.1.2.3",
    "http://224.0.0.1",
    "http://240.0.0.1",
    "http://255.255.255.255",
    "http://198.18.0.1",
    "http://192.88.99.1",
    "http://[::ffff:169.254.169.254]",
    "http://[64:ff9b::a9fe:a9fe]",
    "http://[64:ff9b:1::a9fe:a9fe]",
    "http://[2002:a9fe:a9fe::]",
    "http://[2002:7f00:1::]",
    "http://[::127.0.0.1]",
    "http://[::ffff:0:127.0.0.1]",
    "http://[fe80::1]",
    "http://[fec0::1]",
    "http://[fd00:ec2::254]",
    "http://[ff02::1]",
    "http://[2001:db8::1]",
]
PRIVATE = [
    "http://127.0.0.1:6379",
    "http://127.255.255.254",
    "http://localhost",
    "http://sub.localhost",
    "http://10.0.0.1",
    "http://172.16.0.1",
    "http://192.168.1.1",
    "http://100.64.0.1",
    "http://[::1]",
    "http://[::ffff:127.0.0.1]",
    "http://[fc00::1]",
    "https://127.0.0.1",
]


@pytest.mark.parametrize("url", NEVER)
async def test_an_address_that_is_never_dialled_is_not_even_where_all_is_allowed(client, dialled, url):
    assert await try_everything(client, url, EVERYTHING) == ["destination_forbidden"] * 3
    assert dialled == []


@pytest.mark.parametrize("url", PRIVATE)
async def test_a_private_address_is_not_dialled_without_an_operators_word(client, dialled, url):
    assert await try_everything(client, url, NOTHING) == ["destination_forbidden"] * 3
    assert dialled == []


# Spellings that a form would refuse, given to the client as though they had been stored by mistake.
@pytest.mark.parametrize(
    "url",
    [
        "http://127.1",
        "http://2130706433",
        "http://0x7f000001",
        "http://0177.0.0.1",
        "http://0",
        "http://127.0.0.1.",
        "http://2852039166",
        "http://localhost.",
    ],
)
async def test_no_spelling_leads_around_the_policy(client, dialled, url):
    codes = await try_everything(client, url, NOTHING)

    assert set(codes) <= {"destination_forbidden", "dns_failed"}
    assert dialled == []


async def test_whatever_passes_the_form_still_does_not_reach_a_denied_address(client, dialled):
    for url in [url for urls in REFUSED.values() for url in urls]:
        try:
            stored = check_base_url(url)
        except ProviderError:
            continue
        await try_everything(client, stored, NOTHING)

    assert dialled == []


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["::ffff:10.0.0.1"],
        ["1.1.1.1", "127.0.0.1"],
        ["1.1.1.1", "169.254.169.254"],
        ["2606:4700::1111", "::1"],
        ["fe80::1%eth0"],
        ["1.1.1.1"] * 400 + ["10.0.0.1"],
    ],
    ids=["loopback", "mapped", "mixed", "mixed metadata", "mixed v6", "scoped", "hidden at the end"],
)
async def test_a_name_with_one_denied_address_is_not_dialled_at_all(client, dialled, monkeypatch, addresses):
    Resolver(monkeypatch, addresses)

    assert await try_everything(client, "https://model.test", NOTHING) == ["destination_forbidden"] * 3
    assert dialled == []


async def test_a_name_that_moves_to_a_denied_address_is_not_followed(client, dialled, monkeypatch):
    policy = EgressPolicy(parse_allow("127.0.0.1/32"), "one")
    closing = {"connection": "close"}
    async with Scripted(always(answer(**closing))) as server:
        Resolver(monkeypatch, ["127.0.0.1"], ["127.0.0.2"])
        target = target_to(f"http://model.test:{server.port}", policy=policy)
        first = await client.fetch(target, "GET", "/x")
        with pytest.raises(UpstreamError) as refused:
            await client.fetch(target, "GET", "/x")

    assert first.status == 200
    assert refused.value.code == "destination_forbidden"
    assert dialled == [("127.0.0.1", server.port)]


async def test_the_host_header_and_the_certificates_name_stay_the_names_own(client, monkeypatch):
    policy = EgressPolicy(parse_allow("127.0.0.1/32"), "one")
    async with Scripted(always(answer())) as server:
        Resolver(monkeypatch, ["127.0.0.1"])
        await client.fetch(target_to(f"http://model.test:{server.port}", policy=policy), "GET", "/x")

    assert server.requests[0].headers["Host"] == f"model.test:{server.port}"


async def test_a_resolver_that_hangs_is_given_up(client, monkeypatch):
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    release = threading.Event()

    def hang(*args, **kwargs):
        loop.call_soon_threadsafe(asked.set)
        release.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(dial, "DNS_SECONDS", 0.3)
    with pytest.raises(UpstreamError) as late:
        await client.fetch(target_to("https://model.test"), "GET", "/x")
    release.set()

    assert asked.is_set()
    assert late.value.code == "dns_failed"


async def test_a_name_asked_for_by_many_at_once_is_resolved_once(client, monkeypatch):
    policy = EgressPolicy(parse_allow("127.0.0.1/32"), "one")
    async with Scripted(always(answer())) as server:
        resolver = Resolver(monkeypatch, ["127.0.0.1"])
        target = target_to(f"http://model.test:{server.port}", policy=policy)
        await asyncio.gather(*(client.fetch(target, "GET", "/x") for _ in range(20)))

    assert resolver.asked < 20


@pytest.mark.parametrize("loop_of", ["asyncio", "uvloop"])
def test_the_policy_holds_on_every_kind_of_loop(dialled, loop_of):
    factory = uvloop.new_event_loop if loop_of == "uvloop" else None

    async def main():
        client = UpstreamClient()
        for url in (*NEVER[:3], *PRIVATE):
            assert await try_everything(client, url, NOTHING) == ["destination_forbidden"] * 3
        await client.aclose()

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())
    assert [place for place in dialled if ipaddress.ip_address(place[0])] == []
