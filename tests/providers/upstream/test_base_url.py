"""What a person may paste as a server's address, and what becomes of it."""

import socket
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.errors import CallerError
from providers.upstream.addresses import parse_address, standing_of
from providers.upstream.egress import check_base_url, endpoint_of, origin_of


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("http://192.168.1.100:8080", "http://192.168.1.100:8080"),
        ("http://192.168.1.100:8080/", "http://192.168.1.100:8080"),
        (" http://192.168.1.100:8080 ", "http://192.168.1.100:8080"),
        ("HTTP://GPU-Box:8080/v1", "http://gpu-box:8080"),
        ("http://gpu-box:8080/v1/", "http://gpu-box:8080"),
        ("http://gpu-box:8080/v1/v1", "http://gpu-box:8080"),
        ("http://gpu-box:8080/v1/chat/completions", "http://gpu-box:8080"),
        ("http://gpu-box:8080/v1/chat/completions/", "http://gpu-box:8080"),
        ("http://gpu-box:8080/chat/completions", "http://gpu-box:8080"),
        ("http://gpu-box:8080/v1/completions", "http://gpu-box:8080"),
        ("http://gpu-box:8080/v1/embeddings", "http://gpu-box:8080"),
        ("http://gpu-box:8080/v1/models", "http://gpu-box:8080"),
        ("http://gpu-box:8080/v1/models/capabilities", "http://gpu-box:8080"),
        ("http://gpu-box:8080/v1/rerank", "http://gpu-box:8080"),
        ("http://gpu-box:8080/v1/audio/transcriptions", "http://gpu-box:8080"),
        ("http://gpu-box:8080/v1/images/generations", "http://gpu-box:8080"),
        ("http://gpu-box:8080/readyz", "http://gpu-box:8080"),
        ("http://gpu-box:8080/.well-known/localai.json", "http://gpu-box:8080"),
        ("http://gpu-box//v1//", "http://gpu-box"),
        ("https://gateway.example/localai/v1/", "https://gateway.example/localai"),
        ("https://gateway.example/Team-A/v1/chat/completions", "https://gateway.example/Team-A"),
        ("https://openrouter.ai/api/v1", "https://openrouter.ai/api"),
        ("https://gateway.example/models", "https://gateway.example/models"),
        ("https://gateway.example/v1beta", "https://gateway.example/v1beta"),
        ("https://api.example:443/v1", "https://api.example"),
        ("http://api.example:80", "http://api.example"),
        ("https://api.example:80", "https://api.example:80"),
        ("http://api.example:08080", "http://api.example:8080"),
        ("http://localhost.:8080", "http://localhost:8080"),
        ("http://local_ai:8080", "http://local_ai:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://[0:0:0:0:0:0:0:1]:8080", "http://[::1]:8080"),
        ("http://[::FFFF:192.168.1.5]:8080/v1", "http://192.168.1.5:8080"),
        ("https://[2606:4700::1111]", "https://[2606:4700::1111]"),
        ("https://bücher.example/v1", "https://xn--bcher-kva.example"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("http://host.docker.internal:8080", "http://host.docker.internal:8080"),
        ("http://10.0.0.5:8080", "http://10.0.0.5:8080"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("https://127-0-0-1.example", "https://127-0-0-1.example"),
        ("https://0x.example", "https://0x.example"),
    ],
)
def test_an_address_is_stored_in_one_form(typed, stored):
    assert check_base_url(typed) == stored
    assert check_base_url(stored) == stored


REFUSED = {
    "url_malformed": [
        "",
        "gpu-box",
        "gpu-box:8080",
        "localhost:8080",
        "192.168.1.5:8080",
        "//gpu-box:8080",
        "http:gpu-box",
        "http:/gpu-box",
        "http:///gpu-box",
        "http://",
        "http://:8080",
        "http://gpu-box:",
        "http://gpu-box:0",
        "http://gpu-box:65536",
        "http://gpu-box:-1",
        "http://gpu-box:80:81",
        "http://gpu-box:٨٠",
        "http://gpu-box:8080?x=1",
        "http://gpu-box:8080#x",
        "http://gpu-box:8080/v1?next=//evil",
        "http://ok.example#@127.0.0.1",
        "http://gpu box",
        "http://gpu-box\t:8080",
        "http://gpu-box\r\nHost: evil",
        "http://gpu-box/\x00",
        "http://gpu-box\u2028",
        "http://example.com\\@127.0.0.1",
        "http://127.0.0.1\\@example.com",
        "http://gpu-box/../admin",
        "http://gpu-box/a/%2e%2e/admin",
        "http://gpu-box/a%2fb",
        "http://gpu-box/a%0d%0ab",
        "http://gpu-box/%zz",
        "http://127.1:8080",
        "http://127.0.1",
        "http://2130706433",
        "http://0x7f000001",
        "http://0x7f.0x0.0x0.0x1",
        "http://0x7f.1",
        "http://0177.0.0.1",
        "http://017700000001",
        "http://127.000.000.001",
        "http://00000127.0.0.1",
        "http://127.0.0.1.",
        "http://256.0.0.1",
        "http://4294967297",
        "http://0xffffffff7f000001",
        "http://1.2.3.4.5",
        "http://①②⑦.⓪.⓪.①",
        "http://127。0。0。1",
        "http://\uff4c\uff4f\uff43\uff41\uff4c\uff48\uff4f\uff53\uff54",
        "http://local\u00adhost",
        "http://%31%32%37.0.0.1",
        "http://127.0.0.1%00.example.com",
        "http://a..b",
        "http://-a.example",
        f"http://{'a' * 64}.example",
        f"http://{'a.' * 127}example",
        "http://[::1",
        "http://[::g]",
        "http://::1",
        "http://gpu-box/" + "a" * 2048,
    ],
    "url_scheme_unsupported": [
        "file:///etc/passwd",
        "ftp://gpu-box",
        "gopher://gpu-box",
        "ws://gpu-box",
        "dict://gpu-box:11211",
        "unix:/var/run/docker.sock",
        "data:text/plain,x",
        "javascript:alert(1)",
    ],
    "url_has_credentials": ["http://user:pw@gpu-box", "http://a@127.0.0.1", "http://@gpu-box", "http://a:b@c@d"],
    "url_bind_address": [
        "http://0.0.0.0:8080",
        "http://[::]:8080",
        "http://0",
        "http://0x0",
        "http://0.0.0.0.:8080",
        "http://[::ffff:0.0.0.0]",
    ],
    "destination_forbidden": [
        "http://0.1.2.3",
        "http://100.100.100.200",
        "http://168.63.129.16",
        "http://169.254.169.254",
        "http://169.254.169.254.",
        "http://169.254.170.2",
        "http://2852039166",
        "http://0xa9fea9fe",
        "http://0251.0376.0251.0376",
        "http://169。254。169。254",
        "http://%31%36%39.254.169.254",
        "http://192.0.0.192",
        "http://192.0.2.1",
        "http://192.88.99.1",
        "http://198.18.0.1",
        "http://224.0.0.1",
        "http://239.255.255.250",
        "http://240.0.0.1",
        "http://255.255.255.255",
        "http://[::ffff:169.254.169.254]",
        "http://[::127.0.0.1]",
        "http://[::ffff:0:127.0.0.1]",
        "http://[64:ff9b::7f00:1]",
        "http://[64:ff9b:1::a9fe:a9fe]",
        "http://[2002:7f00:1::]",
        "http://[2002:a9fe:a9fe::]",
        "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
        "http://[2606:4700::5efe:127.0.0.1]",
        "http://[::5efe:127.0.0.1]",
        "http://[fe80::1]",
        "http://[fe80::1%25lo]",
        "http://[fe80::1%lo]",
        "http://[fec0::1]",
        "http://[fd00:ec2::254]",
        "http://[fd20:ce::254]",
        "http://[ff02::1]",
        "http://[100::1]",
        "http://[2001:db8::1]",
        "http://[5f00::1]",
        "http://metadata",
        "http://metadata.google.internal/computeMetadata/v1",
        "http://METADATA.google.internal.",
        "http://x.metadata.google.internal",
        "http://metadata.goog",
        "http://instance-data",
    ],
}


@pytest.mark.parametrize(("code", "typed"), [(code, typed) for code, urls in REFUSED.items() for typed in urls])
def test_an_address_that_cannot_be_used_is_refused_with_its_code(code, typed):
    with pytest.raises(CallerError) as refused:
        check_base_url(typed)

    assert refused.value.code == code


SPELLINGS = st.one_of(
    st.integers(0, 2**32 - 1).map(str),
    st.integers(0, 2**32 - 1).map(hex),
    st.integers(0, 2**32 - 1).map(lambda number: f"0{number:o}"),
    st.lists(
        st.one_of(
            st.integers(0, 300).map(str),
            st.integers(0, 300).map(hex),
            st.integers(0, 300).map(lambda number: f"0{number:o}"),
        ),
        min_size=1,
        max_size=5,
    ).map(".".join),
    st.ip_addresses(v=4).map(str),
)
HIDDEN = st.sampled_from([str, str.upper, lambda text: text + ".", lambda text: text.replace(".", "。")])


@given(spelling=SPELLINGS, hide=HIDDEN)
def test_what_a_resolver_reads_as_an_address_passes_only_in_its_plain_spelling(spelling, hide):
    try:
        stored = check_base_url(f"http://{hide(spelling)}:8080")
    except CallerError:
        return

    host = stored.removeprefix("http://").removesuffix(":8080")
    assert socket.inet_ntoa(socket.inet_aton(host)) == host
    assert standing_of(IPv4Address(host)) != "never"


@given(address=st.ip_addresses(v=6))
def test_an_ipv6_literal_that_passes_is_not_one_that_is_never_dialled(address):
    try:
        stored = check_base_url(f"http://[{address.exploded}]:8080")
    except CallerError:
        return

    host = parse_address(stored.removeprefix("http://").removesuffix(":8080"))
    assert host == (address.ipv4_mapped or IPv6Address(address))
    assert standing_of(host) != "never"


@given(st.text(max_size=60))
def test_no_text_whatever_ends_in_another_error(text):
    for typed in (text, f"http://{text}", f"http://gpu-box/{text}", f"http://[{text}]:80"):
        try:
            stored = check_base_url(typed)
        except CallerError:
            continue
        assert check_base_url(stored) == stored


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://gpu-box", "http://gpu-box:80"),
        ("https://gpu-box/prefix", "https://gpu-box:443"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_an_origin_always_says_its_port(url, origin):
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    ("url", "addresses", "endpoint"),
    [
        ("http://192.168.1.5:8080", [], "192.168.1.5:8080"),
        ("http://localhost:8080", [], "127.0.0.1:8080"),
        ("http://127.0.0.1:8080", [], "127.0.0.1:8080"),
        ("http://127.0.0.2:8080", [], "127.0.0.1:8080"),
        ("http://[::1]:8080/prefix", [], "127.0.0.1:8080"),
        ("http://[fd12::5]:8080", [], "[fd12::5]:8080"),
        ("http://gpu-box", ["10.0.0.9"], "10.0.0.9:80"),
        ("https://gpu-box", ["::ffff:10.0.0.9"], "10.0.0.9:443"),
        ("http://gpu-box:8080", [], "provider:p1"),
        ("https://api.example", ["1.1.1.1"], "provider:p1"),
        ("https://1.1.1.1", [], "provider:p1"),
    ],
)
def test_an_endpoint_is_the_private_box_or_else_the_provider(url, addresses, endpoint):
    assert endpoint_of(url, addresses, "p1") == endpoint
