"""The outermost layer: what holds for every answer of both planes."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

import httpx
import pytest
import structlog
from starlette.responses import JSONResponse, PlainTextResponse

from config.edge import Edge
from config.logging import hide_secrets, logging_config


def client(app=None) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(Edge(app or PlainTextResponse("hello")))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


@pytest.fixture(autouse=True)
def plain_http(settings):
    settings.HTTPS_ONLY = False


async def test_every_answer_names_its_request():
    async with client() as http:
        answer = await http.get("/")
        again = await http.get("/", headers={"X-Request-Id": "my-own-id.42"})
        forged = await http.get("/", headers={"X-Request-Id": "not an id"})
    assert len(answer.headers["x-request-id"]) == 32
    assert again.headers["x-request-id"] == "my-own-id.42"
    assert len(forged.headers["x-request-id"]) == 32


@pytest.mark.parametrize("host", ["evil.example", "", "localhost.evil.example"])
async def test_a_host_that_is_not_ours_is_refused_before_any_app_sees_it(host):
    async with client() as http:
        answer = await http.get("/v1/models", headers={"Host": host})
    assert answer.status_code == 400
    assert answer.json()["code"] == "host_not_allowed"
    assert answer.headers["x-request-id"] == answer.json()["request_id"]


async def test_probes_may_ask_by_address():
    async with client() as http:
        assert (await http.get("/healthz", headers={"Host": "10.1.2.3"})).status_code == 200


async def test_plain_http_is_refused_where_https_is_the_rule(settings):
    settings.HTTPS_ONLY = True
    async with client() as http:
        plain = await http.get("/v1/models")
        secure = await http.get("https://localhost/v1/models")
    assert (plain.status_code, plain.json()["code"]) == (400, "https_required")
    assert secure.headers["strict-transport-security"].startswith("max-age=31536000")


async def test_answers_are_neither_sniffed_nor_framed_nor_stored():
    async with client() as http:
        answer = await http.get("/api/v1/me")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"


async def test_what_the_app_says_of_its_own_caching_stands():
    async with client(JSONResponse({}, headers={"Cache-Control": "public, max-age=60"})) as http:
        assert (await http.get("/api/v1/provider-kinds")).headers["cache-control"] == "public, max-age=60"


@pytest.fixture
def written(caplog, capfd):
    """Gives what the access log has written since; the tests keep it silent otherwise."""
    caplog.set_level(logging.INFO, logger="modelyard.access")
    return lambda: access_lines(capfd.readouterr().err)


def access_lines(written: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in written.splitlines() if "request_answered" in line]


async def test_the_access_log_holds_no_query_and_no_credential(settings, written):
    settings.ACCESS_LOG_SAMPLE = 1
    async with client() as http:
        answer = await http.get("/v1/models?secret=planted", headers={"Authorization": "Bearer planted"})
        await http.get("/api/v1/invitations/planted/accept")
    line, invitation = written()
    assert (line["path"], line["status"], line["method"]) == ("/v1/models", 200, "GET")
    assert line["request_id"] == answer.headers["x-request-id"]
    assert datetime.fromisoformat(str(line["timestamp"])).tzinfo is UTC
    assert "planted" not in json.dumps([line, invitation])


async def test_the_access_log_is_thinned_out_evenly(written, settings):
    settings.ACCESS_LOG_SAMPLE = 0.25
    async with client() as http:
        for _ in range(8):
            await http.get("/v1/models")
    assert len(written()) == 2


async def test_failures_are_logged_however_thin_the_log_is(written, settings):
    settings.ACCESS_LOG_SAMPLE = 0
    async with client(JSONResponse({}, 503)) as http:
        await http.get("/v1/models")
    assert len(written()) == 1


@pytest.mark.parametrize(
    "text",
    [
        "key myd_live_abcdefghij_planted",
        "Authorization: Bearer planted",
        "POST /api/v1/invitations/planted/accept",
        "redis://default:planted@box:6379",
    ],
)
def test_secrets_in_a_message_are_hidden(text):
    assert "planted" not in str(hide_secrets(None, "", {"event": text}))


def test_fields_named_as_secrets_are_hidden():
    event = {"event": "x", "api_key": "planted", "authorization": "planted", "password": "planted", "model": "m"}
    hidden = hide_secrets(None, "", event)
    assert "planted" not in str(hidden)
    assert hidden["model"] == "m"


def test_libraries_and_the_project_log_in_one_form(capsys):
    config = logging_config(level="INFO", form="json")
    formatter = config["formatters"]["event"]
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=formatter["foreign_pre_chain"], processors=formatter["processors"]
        )
    )
    record = logging.LogRecord("library", logging.WARNING, __file__, 1, "hello %s", ("you",), None)
    line = json.loads(handler.format(record))
    assert (line["event"], line["level"], line["logger"]) == ("hello you", "warning", "library")
