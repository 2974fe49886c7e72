"""The key goes to the server it belongs to, and nowhere else: no repr, no log, no error, no pickle."""

import base64
import copy
import html
import json
import logging
import pickle
import traceback
from urllib.parse import quote

import pytest

from providers.errors import UpstreamError
from providers.upstream.client import ConnectTrace
from tests.providers.upstream.conftest import KEY, target_to
from tests.providers.upstream.scripted import SSE_HEAD, Scripted, always, answer, chunk, once

BREAKING = {
    "closed": once(),
    "no HTTP": once(b"no HTTP\r\n\r\n"),
    "cut short": once(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"),
    "huge header": once(b"HTTP/1.1 200 OK\r\nX-Huge: " + b"x" * 100_000 + b"\r\n\r\n"),
    "cut stream": once(SSE_HEAD, chunk(b"data: {")),
}


EDGY_KEY = "edgy\"&/+<'=\\key-0123456789"
SPELT = {
    "as it is": EDGY_KEY,
    "in JSON": json.dumps(EDGY_KEY),
    "in a page": html.escape(EDGY_KEY),
    "in a URL": f"/?api_key={quote(EDGY_KEY, safe='')}",
    "in a path": f"/{quote(EDGY_KEY)}",
    "in a Basic header": base64.b64encode(f"user:{EDGY_KEY}".encode()).decode(),
    "in base64 at another place": base64.b64encode(f"x:{EDGY_KEY}:y".encode()).decode(),
}


async def read(client, target):
    async with client.stream(target, "/x", content=b"{}") as upstream:
        return [frame async for frame in upstream.frames()]


def everything_about(error):
    """Whatever a log or an error tracker could show of an exception, its chain and its frames' own values."""
    shown = traceback.TracebackException.from_exception(error, capture_locals=False)
    chain = [error, error.__cause__, error.__context__]
    return "".join(shown.format()) + repr([(repr(e), str(e), getattr(e, "args", ()), vars(e)) for e in chain if e])


@pytest.mark.parametrize("script", BREAKING.values(), ids=BREAKING)
async def test_a_failure_does_not_tell_the_key(client, caplog, script):
    caplog.set_level(logging.DEBUG)
    async with Scripted(script) as server:
        target = target_to(server.url, total_seconds=60.0)
        with pytest.raises(UpstreamError) as unary:
            await client.fetch(target, "POST", "/x", json={})
        with pytest.raises(UpstreamError) as streamed:
            await read(client, target)

    assert server.requests[0].headers["Authorization"] == f"Bearer {KEY}"
    assert KEY not in everything_about(unary.value) + everything_about(streamed.value) + caplog.text


async def test_a_failed_connect_does_not_tell_the_key(client, caplog):
    caplog.set_level(logging.DEBUG)
    trace = ConnectTrace()
    with pytest.raises(UpstreamError) as unary:
        await client.fetch(target_to("http://127.0.0.1:1"), "GET", "/x")
    with pytest.raises(UpstreamError) as dialled:
        await client.connect(target_to("http://127.0.0.1:1"), trace)

    assert KEY not in everything_about(unary.value) + everything_about(dialled.value) + repr(trace) + caplog.text


@pytest.mark.parametrize("spelt", SPELT.values(), ids=SPELT)
async def test_a_key_that_the_server_repeats_goes_no_further_however_it_is_spelt(client, spelt):
    refusal = {"error": {"message": f"{spelt} may not"}}
    headers = {"Authorization": f"Bearer {EDGY_KEY}"}
    async with Scripted(always(answer(json.dumps(refusal).encode(), 401))) as server:
        target = target_to(server.url, headers=headers)
        reply = await client.fetch(target, "POST", "/x", json={})
        async with client.stream(target, "/x", content=b"{}") as upstream:
            error = await upstream.error()

    told = json.loads(reply.body)["error"]["message"] + error.message
    assert "may not" in told
    assert "key-0123" not in told
    assert base64.b64encode(b"key-01").decode() not in told


async def test_a_server_that_names_a_model_after_the_key_does_not_make_it_known(client):
    listed = json.dumps({"data": [{"id": EDGY_KEY}, {"id": "acme/tiny"}]}).encode()
    headers = {"Authorization": f"Bearer {EDGY_KEY}", "X-Team": "acme"}
    async with Scripted(always(answer(listed))) as server:
        reply = await client.fetch(target_to(server.url, headers=headers), "GET", "/v1/models")

    assert [line["id"] for line in json.loads(reply.body)["data"]] == ["***", "acme/tiny"]


async def test_an_ordinary_call_logs_nothing_of_the_key(client, caplog):
    caplog.set_level(logging.DEBUG)
    async with Scripted(always(answer())) as server:
        reply = await client.fetch(target_to(server.url), "GET", "/x")

    assert KEY not in caplog.text + repr(reply)


def test_a_target_does_not_show_its_headers():
    target = target_to("http://127.0.0.1:8080")

    assert KEY not in f"{target!r} {target} {[target]} {target.policy!r} {target.timeouts!r}"


@pytest.mark.parametrize("escape", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_target_does_not_leave_the_process(escape):
    with pytest.raises(TypeError):
        escape(target_to("http://127.0.0.1:8080"))
