"""Bodies, paths and queries that choke parsers or databases: a 4xx that says why, at every door; never a 500."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.factories import Team, bearer
from tests.providers.rows import add_model, add_provider

DEEP = 100_000
LOGIN = "/_allauth/app/v1/auth/login"

# Each takes the place of a right body's field `X`.
TRAPS: dict[str, bytes] = {
    "NaN": b'{"X": NaN}',
    "Infinity": b'{"X": Infinity}',
    "minus Infinity": b'{"X": [-Infinity]}',
    "1e309": b'{"X": 1e309}',
    "minus 1e309": b'{"X": {"deeper": -1e309}}',
    "5,000 digits": b'{"X": %s}' % (b"9" * 5000),
    "5,000 digits behind the point": b'{"X": 0.%se400}' % (b"9" * 5000),
    "lists in lists": b'{"X": %s}' % (b"[" * DEEP + b"]" * DEEP),
    "objects in objects": b'{"X":' * DEEP + b"1" + b"}" * DEEP,
    "never closed": b'{"X": %s' % (b"[" * DEEP),
    "deep, but not too deep for a parser": b'{"X": %s}' % (b"[" * 900 + b"]" * 900),
    "a lone high surrogate": b'{"X": "\\ud800"}',
    "a lone low surrogate": b'{"X": "\\udc00 and more"}',
    "a surrogate as bytes": b'{"X": "\xed\xa0\x80"}',
    "a raw NUL": b'{"X": "\x00"}',
    "a name twice": b'{"X": "a", "again": 1, "again": 2}',
    "a byte order mark": b'\xef\xbb\xbf{"X": "a"}',
    "UTF-16": '{"X": "a"}'.encode("utf-16"),
    "not UTF-8": b'{"X": "\xff\xfe"}',
    "overlong UTF-8": b'{"X": "\xc0\x80"}',
    "cut": b'{"X": "a',
    "two documents": b'{"X": "a"}{"X": "b"}',
    "a comment": b'{"X": "a" /* b */}',
    "a trailing comma": b'{"X": "a",}',
    "no object": b'["X"]',
    "a word": b"X",
    "nothing at all": b"",
}
ENCODED: dict[str, tuple[str, bytes]] = {
    "gzip": ("gzip", gzip.compress(b'{"X": "a"}')),
    "deflate": ("deflate", zlib.compress(b'{"X": "a"}')),
    "gzip of a bomb": ("gzip", gzip.compress(b'{"X": "%s"}' % (b"a" * 10_000_000))),
    "a claim of gzip": ("gzip", b'{"X": "a"}'),
    "an unknown encoding": ("sixpack", b'{"X": "a"}'),
}


@pytest.fixture
def http(url: str, acme: Team) -> Iterator[httpx.Client]:
    provider = add_provider(acme, "http://192.168.1.100:8080")
    add_model(provider, "gpt-4")
    add_model(provider, "ada", type="text-embedding")
    with httpx.Client(base_url=url, headers=bearer(acme.key), trust_env=False, timeout=60) as client:
        yield client


CHAT = b'"messages": [{"role": "user", "content": "hi"}]'


def doors(acme: Team) -> dict[str, tuple[str, str, bytes]]:
    """Each with its method, its path, and a right body but for the field `X`."""
    email = acme.owner.email.encode()
    return {
        "control": ("POST", f"{acme.path}/providers", b'"kind": "localai", "base_url": "http://10.0.0.1", "name"'),
        "control, a change": ("PATCH", acme.path, b'"name"'),
        "submit": ("POST", f"{acme.path}/jobs", b'"model": "gpt-4", "operation": "chat.completions", "metadata"'),
        "chat": ("POST", "/v1/chat/completions", b'"model": "gpt-4", %s, "grammar"' % CHAT),
        "completions": ("POST", "/v1/completions", b'"model": "gpt-4", "prompt": "hi", "grammar"'),
        "embeddings": ("POST", "/v1/embeddings", b'"model": "ada", "input": "hi", "user"'),
        "accounts": ("POST", LOGIN, b'"email": "%s", "password"' % email),
    }


def fault_of(answer: httpx.Response, door: str) -> str:
    """What is wrong with a refusal; empty where it is as promised."""
    if not 400 <= answer.status_code < 500:
        return f"{answer.status_code} {answer.text[:200]}"
    if "json" not in answer.headers.get("content-type", ""):
        return f"{answer.status_code} as {answer.headers.get('content-type')}: {answer.text[:100]}"
    said: Any = answer.json()
    if answer.request.url.path.startswith("/v1/"):
        told = said["error"]["code"] and said["error"]["message"]
    elif door == "accounts":
        told = said.get("code") or said.get("errors")
    else:
        told = said["code"] and said["hint"]
    return "" if told else f"{answer.status_code} says nothing: {said}"


def faults(http: httpx.Client, acme: Team, send: Callable[..., Iterator[tuple[str, httpx.Response]]]) -> list[str]:
    found = []
    for door, (method, path, right) in doors(acme).items():
        for trap, answer in send(http, method, path, right):
            if fault := fault_of(answer, door):
                found.append(f"{door}, {trap}: {fault}")
    return found


def sent_plain(http: httpx.Client, method: str, path: str, right: bytes) -> Iterator[tuple[str, httpx.Response]]:
    headers = {"Content-Type": "application/json"}
    for trap, body in TRAPS.items():
        if body or method == "POST":  # to change nothing is no fault
            yield trap, http.request(method, path, content=body.replace(b'"X"', right, 1), headers=headers)


def sent_encoded(http: httpx.Client, method: str, path: str, right: bytes) -> Iterator[tuple[str, httpx.Response]]:
    for trap, (encoding, body) in ENCODED.items():
        headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
        yield trap, http.request(method, path, content=body, headers=headers)


def test_json_that_is_a_trap_is_refused_at_every_door(http, acme):
    found = faults(http, acme, sent_plain)
    assert not found, "\n".join(found)


def test_a_compressed_body_is_refused_and_never_unpacked(http, acme):
    found = faults(http, acme, sent_encoded)
    assert not found, "\n".join(found)


def test_text_that_no_database_takes_is_refused_wherever_it_stands(http, acme):
    nasty = ["%00", "a%00b", "%ED%A0%80", "%FF", "%F4%90%80%80", "%0d%0aX-Evil:%201", "..%2f..%2fetc"]
    asked = [
        *(("GET", f"/v1/models/{text}", None) for text in nasty),
        *(("GET", f"{acme.path}/{place}/{text}", None) for text in nasty for place in ("providers", "models", "jobs")),
        *(("GET", f"/api/v1/tenants/{text}", None) for text in nasty),
        *(("GET", f"/api/v1/provider-kinds/{text}", None) for text in nasty),
        *(("GET", f"{acme.path}/jobs?state={text}&model={text}&ordering={text}&limit={text}", None) for text in nasty),
        *(("GET", f"{acme.path}/audit-events?actor={text}&action={text}&object={text}", None) for text in nasty),
        *(("GET", f"{acme.path}/models?cursor={text}&type={text}", None) for text in nasty),
        ("POST", "/v1/chat/completions", {"model": "a\0b", "messages": [{"role": "user", "content": "hi"}]}),
        ("POST", "/v1/embeddings", {"model": "a\0b", "input": "hi"}),
        ("POST", LOGIN, {"email": "a\0b@acme.example", "password": "x"}),
        ("POST", LOGIN, {"email": acme.owner.email, "password": "a\0b"}),
    ]
    answers = [(path, http.request(method, path, json=body)) for method, path, body in asked]

    broken = [(path, answer.status_code) for path, answer in answers if answer.status_code >= 500]
    assert broken == []
    assert {answer.status_code for path, answer in answers if "\0" in path or "%00" in path} <= {400, 404}
