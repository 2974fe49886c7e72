"""Which addresses a policy lets be dialled, on which ports, over which scheme."""

import time
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.errors import DestinationForbidden
from providers.upstream.addresses import standing_of
from providers.upstream.egress import AllowedRange, EgressPolicy, judge, parse_allow

NOTHING = EgressPolicy((), "nothing")
EVERYTHING = EgressPolicy(parse_allow("0.0.0.0/0,::/0"), "everything")


def policy(text, closed=""):
    return EgressPolicy(parse_allow(text), text, closed=parse_allow(closed))


def is_dialled(address, egress, port=8080, scheme="http"):
    try:
        judge(ip_address(address), port, scheme, egress)
    except DestinationForbidden:
        return False
    return True


NEVER = [
    "0.0.0.0",
    "0.1.2.3",
    "100.100.100.200",
    "168.63.129.16",
    "169.254.169.254",
    "169.254.170.2",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:0:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0.0.0.0",
    "64:ff9b::7f00:1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::a9fe:a9fe",
    "64:ff9b:1:a9fe:a9:fe00::",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::",
    "2002:a00:1::",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2606:4700::5efe:10.0.0.1",
    "2606:4700::200:5efe:127.0.0.1",
    "fe80::1",
    "fe80::1%lo",
    "fec0::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "ff02::1",
    "100::1",
    "100:0:0:1::1",
    "2001:db8::1",
    "3fff::1",
    "5f00::1",
]
PRIVATE = [
    "127.0.0.1",
    "127.255.255.254",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "::1",
    "fc00::1",
    "fd12::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "100.128.0.1",
    "172.32.0.1",
    "2606:4700::1111",
    "64:ff9b::8.8.8.8",
    "2002:808:808::",
    "::ffff:1.1.1.1",
]


@pytest.mark.parametrize("address", NEVER)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_some_addresses_are_never_dialled_whatever_is_allowed(address, scheme):
    assert not is_dialled(address, EVERYTHING, port=443, scheme=scheme)


def test_a_refusal_has_one_code_and_nothing_was_sent():
    with pytest.raises(DestinationForbidden) as refused:
        judge(ip_address("10.0.0.1"), 8080, "http", NOTHING)

    assert (refused.value.code, refused.value.sent) == ("destination_forbidden", False)


@pytest.mark.parametrize("address", PRIVATE)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_private_addresses_need_an_operators_word(address, scheme):
    assert not is_dialled(address, NOTHING, port=443, scheme=scheme)
    assert is_dialled(address, EVERYTHING, port=443, scheme=scheme)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_take_https_alone(address):
    assert is_dialled(address, NOTHING, port=443, scheme="https")
    assert not is_dialled(address, NOTHING, port=80, scheme="http")
    assert is_dialled(address, EVERYTHING, port=80, scheme="http")


def test_a_range_opens_its_network_and_its_ports_only():
    egress = policy("10.0.0.0/8:8080-8090")

    assert is_dialled("10.1.2.3", egress, port=8080)
    assert is_dialled("10.1.2.3", egress, port=8090)
    assert not is_dialled("10.1.2.3", egress, port=8091)
    assert not is_dialled("11.1.2.3", egress, port=8080)
    assert is_dialled("::ffff:10.1.2.3", egress, port=8080)


def test_an_allowed_network_does_not_open_the_translators_into_it():
    assert not is_dialled("64:ff9b::10.0.0.1", policy("10.0.0.0/8"))
    assert not is_dialled("2002:a00:1::", policy("10.0.0.0/8,2002::/16"))


def test_what_is_closed_stays_closed_inside_an_allowed_range():
    egress = policy("127.0.0.0/8", closed="127.0.0.1/32:8000")

    assert not is_dialled("127.0.0.1", egress, port=8000)
    assert is_dialled("127.0.0.1", egress, port=8001)


def test_a_range_that_has_ended_opens_nothing():
    def until(moment):
        return EgressPolicy((AllowedRange(ip_network("10.0.0.0/8"), ends_at=moment),), "one")

    assert is_dialled("10.0.0.1", until(time.time() + 60))
    assert not is_dialled("10.0.0.1", until(time.time() - 1))
    assert until(time.time() - 1).has_shrunk
    assert not until(None).has_shrunk


@pytest.mark.parametrize("port", [22, 25, 5432, 6379, 8200, 10250])
def test_a_public_address_is_not_dialled_where_databases_listen_unless_granted(port):
    assert not is_dialled("1.1.1.1", NOTHING, port=port, scheme="https")
    assert is_dialled("1.1.1.1", policy(f"1.1.1.1:{port}"), port=port, scheme="https")


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("", []),
        (" , ", []),
        ("10.0.0.0/8", ["10.0.0.0/8:1-65535"]),
        ("10.0.0.0/8:8080", ["10.0.0.0/8:8080-8080"]),
        ("10.0.0.0/8:8080-8090, 127.0.0.1", ["10.0.0.0/8:8080-8090", "127.0.0.1/32:1-65535"]),
        ("[fc00::/7]:8080", ["fc00::/7:8080-8080"]),
        ("fc00::/7,[::1],::1", ["fc00::/7:1-65535", "::1/128:1-65535", "::1/128:1-65535"]),
    ],
)
def test_the_setting_is_read_as_networks_with_ports(text, ranges):
    assert [str(entry) for entry in parse_allow(text)] == ranges


@pytest.mark.parametrize(
    "text", ["localhost", "10.0.0.0/8:", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/8:0", "10.0.0.0/8:9-8", "[fc00::/7:80"]
)
def test_a_wrong_entry_is_named(text):
    with pytest.raises(ValueError, match=r"is not CIDR|ports go from"):
        parse_allow(f"127.0.0.1,{text}")


@given(address=st.ip_addresses(), port=st.integers(1, 65535))
def test_nothing_private_or_reserved_is_dialled_without_a_word(address, port):
    if is_dialled(str(address), NOTHING, port=port, scheme="https"):
        assert standing_of(address) == "public"
        assert address.is_global or address.version == 6
