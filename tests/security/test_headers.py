"""What every answer carries, of every operation and page of both planes, whoever asks: walked, not sampled."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.security.operations import Operation
from tests.security.world import World, make_world

pytestmark = pytest.mark.any_database

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    *("/admin/login/", "/admin/", "/admin", "/admin/tenants/tenant/", "/admin/nowhere/", "/api/docs/", "/api/schema/"),
    *("/api/docs/?script=", "/static/admin/css/base.css", "/static/nowhere.css", "/static/", "/_allauth/app/v1/config"),
    *("/_allauth/browser/v1/auth/session", "/_allauth/nowhere", "/healthz", "/readyz", "/metrics", "/nowhere", "/"),
    *("/v1/nowhere", "/v1", "/api/v1/nowhere", "/favicon.ico", "//evil.example/", "/api/v1//me", "/v1/models/"),
}
ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "strict-transport-security": "max-age=31536000; includeSubDomains; preload",
}
TELLTALES = {"server", "x-powered-by", "x-aspnet-version", "via"}
NOT_IN_PAGES = ("'unsafe-inline'", "*", "http:", "https:", "data:")


@pytest.fixture
def world(transactional_db: None) -> World:
    return make_world()


@pytest.fixture
async def https(url: str, operations: list[Operation], settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """The whole web process as a proxy with TLS sees it."""
    from config.asgi import application

    settings.HTTPS_ONLY = True
    transport = httpx.ASGITransport(application, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://localhost") as client:
        yield client
        settings.HTTPS_ONLY = False


def faults_of(answer: httpx.Response) -> list[str]:
    headers = answer.headers
    faults = [f"{name}: {headers.get(name)}" for name, value in ALWAYS.items() if headers.get(name) != value]
    faults += [f"tells {name}" for name in TELLTALES & set(headers)]
    if not re.fullmatch(r"[A-Za-z0-9._-]{8,64}", headers.get("x-request-id", "")):
        faults.append("no request id")
    for name in ("content-security-policy", "cache-control", "content-type"):
        if len(headers.get_list(name)) > 1:
            faults.append(f"{name} twice")
    return faults + _policy_faults(answer) + _cache_faults(answer) + _type_faults(answer)


def _policy_faults(answer: httpx.Response) -> list[str]:
    policy = answer.headers.get("content-security-policy", "")
    rules = dict(rule.strip().partition(" ")[::2] for rule in policy.split(";"))
    if rules.get("frame-ancestors") != "'none'":
        return [f"may be framed: {policy}"]
    if "html" not in answer.headers.get("content-type", ""):
        return [] if rules["default-src"] == "'none'" else [f"policy: {policy}"]
    scripts = rules.get("script-src", "").split()
    faults = [f"scripts: {scripts}"] if set(scripts) & set(NOT_IN_PAGES) or "'self'" not in scripts else []
    if "'unsafe-eval'" in scripts and not answer.request.url.path.startswith("/admin/"):
        faults.append(f"scripts: {scripts}")
    return faults + [f"no {name}" for name in ("object-src", "base-uri", "form-action") if name not in rules]


def _cache_faults(answer: httpx.Response) -> list[str]:
    cached = answer.headers.get("cache-control", "")
    path = answer.request.url.path
    if path.startswith("/static/") or "no-store" in cached:
        return []
    if path.startswith("/api/v1/provider-kinds") and cached == "private, no-cache":
        return []  # the catalog: the same for everybody, and asked for again with its ETag
    return [f"may be kept: {cached!r}"]


def _type_faults(answer: httpx.Response) -> list[str]:
    media_type = answer.headers.get("content-type", "")
    if answer.content and not media_type:
        return ["a body without a type"]
    if media_type.startswith("text/event-stream") and answer.headers.get("x-accel-buffering") != "no":
        return ["a proxy may collect the events"]
    return []


def calls_of(operation: Operation, world: World) -> list[tuple[str, dict[str, Any]]]:
    """By nobody, by a stranger, and by the owner with a body that is refused: what is there stays."""
    wrong = {"json": ["no object"]} if operation.method != "get" else {}
    names = ["nobody", "globex owner"]
    names += ["acme owner", "acme owner's key"] if operation.method != "delete" else []
    return [(name, {"headers": dict(world.named(name).headers), **wrong}) for name in names]


async def test_every_answer_carries_what_browsers_need_and_tells_nothing_of_the_server(https, operations, world):
    faults, seen = [], set()
    for operation in operations:
        for name, options in calls_of(operation, world):
            answer = await https.request(operation.method, operation.at(world.acme.ids), **options)
            seen |= {answer.status_code, answer.headers.get("content-type", "").partition(";")[0]}
            faults += [f"{operation} by {name} ({answer.status_code}): {fault}" for fault in faults_of(answer)]
    for page in sorted(PAGES):
        for name in ("nobody", "operator"):
            session = world.named(name).headers.get("X-Session-Token", "")
            cookies = {"Cookie": f"sessionid={session}"} if session else {}
            answer = await https.get(page, headers=cookies)
            seen |= {answer.status_code, answer.headers.get("content-type", "").partition(";")[0]}
            faults += [f"{page} by {name} ({answer.status_code}): {fault}" for fault in faults_of(answer)]

    assert not faults, "\n".join(sorted(faults))
    assert {200, 301, 302, 400, 401, 403, 404, "text/html", "text/css", "text/event-stream"} <= seen
    assert {"application/json", "application/problem+json"} <= seen


async def test_a_refusal_before_any_app_carries_it_too(https):
    for host, path in (("evil.example", "/api/v1/me"), ("localhost", "/api/v1/me")):
        answer = await https.get(f"https://localhost{path}", headers={"Host": host})
        assert faults_of(answer) == []


async def test_a_request_id_is_kept_only_in_a_form_that_no_log_and_no_header_can_be_forged_with(https):
    for path in ("/api/v1/me", "/v1/models", "/admin/login/", "/healthz", "/static/admin/css/base.css"):
        kept = await https.get(path, headers={"X-Request-Id": "trace-01234567.a_B"})
        assert kept.headers["x-request-id"] == "trace-01234567.a_B"
        for offered in (
            "short",
            "a" * 65,
            "a b c d e f",
            "{}{}{}{}",
            "a\tb-0123456",
            "äöü-0123456".encode(),
            "../../../",
        ):
            answer = await https.get(path, headers={"X-Request-Id": offered})
            assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"]), (path, offered)


def test_every_way_to_start_the_web_process_keeps_the_servers_name_to_itself():
    places = ("config/stack/tree.py", "docker-compose.yml", "Dockerfile", "docs/operations.md")
    for place in places:
        text = (ROOT / place).read_text()
        assert "config.asgi:application" in text, place
        assert text.count("--no-server-header") >= text.count("config.asgi:application"), place
