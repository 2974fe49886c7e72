"""An operator's acts in Debian's Chromium, against the whole stack as `bin/up` runs it and a fake LocalAI."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from config.stack.preflight import free_port
from tests.admin.desk import Desk
from tests.databases import own_database
from tests.factories import bearer
from tests.fakes.localai import FakeLocalAI
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
OUTSIDE = ("DATABASE_URL", "REDIS_URL", "STATE_DIR", "KEYRING", "SECRET_KEY")  # the stack has its own
CHAT = "/v1/chat/completions"
KEY = "sk-local-0123456789abcdef-c0de"
START_SECONDS = 180  # it begins with the migrations; two other test processes may share the cores

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
    pytest.mark.timeout(400),
    pytest.mark.any_database,
]


@dataclass
class Stack:
    url: str
    tenant: str
    api_key: str
    admin_email: str
    admin_password: str

    @property
    def api(self) -> httpx.Client:
        base = f"{self.url}/api/v1/tenants/{self.tenant}/"
        return httpx.Client(base_url=base, headers=bearer(self.api_key), trust_env=False, timeout=60)


@pytest.fixture(scope="module")
def open_server() -> Iterator[FakeLocalAI]:
    """A LocalAI at an address that the operator's setting allows."""
    with FakeLocalAI() as server:
        yield server


@pytest.fixture
def walled_server() -> Iterator[FakeLocalAI]:
    """A LocalAI at an address that nobody has allowed yet; it wants a key."""
    with FakeLocalAI() as server:
        server.dial.api_keys = {KEY}
        yield server


@pytest.fixture(scope="module")
def database() -> Iterator[dict[str, str]]:
    with own_database() as setting:
        yield setting


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory, open_server: FakeLocalAI, database: dict[str, str]
) -> Iterator[Stack]:
    """Web, worker, scheduler and Valkey; only `open_server` may be dialled."""
    state = tmp_path_factory.mktemp("up")
    command = [sys.executable, "-m", "config.stack", "--no-demo", "--port", str(free_port()), "--state", str(state)]
    environment = {name: value for name, value in os.environ.items() if name not in OUTSIDE} | database
    environment["EGRESS_ALLOW"] = open_server.url.removeprefix("http://").replace(":", "/32:")
    said = state / "said.log"
    with said.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
    ready = state / "up.json"
    try:
        wait_for(lambda: ready.exists() or process.poll() is not None, seconds=START_SECONDS)
        assert ready.exists(), said.read_text()
        yield Stack(**json.loads(ready.read_text()))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(90)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=180_000)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def session(stack: Stack, chromium: Browser) -> Any:
    """The cookies of an operator who has logged in."""
    context = chromium.new_context()
    Desk(context.new_page(), stack.url).log_in(stack.admin_email, stack.admin_password)
    cookies = context.storage_state()
    context.close()
    return cookies


@pytest.fixture
def desk(stack: Stack, chromium: Browser, session: Any) -> Iterator[Desk]:
    context = chromium.new_context(storage_state=session, viewport={"width": 1440, "height": 900})
    desk = Desk(context.new_page(), stack.url)
    desk.page.goto(f"{stack.url}/admin/")
    yield desk
    context.close()
    assert desk.complaints == []


@pytest.fixture
def provider(stack: Stack, open_server: FakeLocalAI) -> Iterator[dict[str, Any]]:
    """The demo tenant's LocalAI with a chat model, made over the API and validated."""
    with stack.api as api:
        body = {"kind": "localai", "name": "demo-box", "base_url": open_server.url}
        made = api.post("providers", json=body).raise_for_status().json()
        model = {"name": "chat", "upstream_name": "gpt-3.5-turbo", "type": "llm", "provider": made["id"]}
        api.post("models", json=model).raise_for_status()
        wait_for(lambda: api.get(f"providers/{made['id']}").json()["state"] == "healthy", seconds=60)
        yield made
        api.delete(f"providers/{made['id']}?cascade=true")


def test_a_tenant_is_made_suspended_and_resumed(desk):
    desk.add("Tenants")
    desk.fill(slug="initech", name="Initech", owner_email="bill@initech.example")
    desk.save()
    desk.sees("was added successfully")

    desk.open("Tenants", "initech")
    desk.act("Suspend")
    desk.sees("initech is suspended.")
    desk.act("Resume")
    desk.sees("initech is active again.")

    desk.open("Audit log")
    desk.sees("tenant.resumed")


def test_a_provider_is_added_granted_its_address_and_becomes_healthy(desk, walled_server):
    desk.add("Tenants")
    desk.fill(slug="hooli", name="Hooli", owner_email="gavin@hooli.example")
    desk.save()

    desk.add("Providers")
    desk.page.get_by_role("link", name="LocalAI").click()
    desk.choose("tenant", "hooli")
    desk.fill(name="gpu-box", base_url=f"{walled_server.url}/v1", credentials__api_key=KEY)
    desk.save()
    desk.sees_step("policy", "failed")
    desk.sees("destination_forbidden")
    desk.sees("Ask the operator to allow the address and port")
    assert walled_server.ledger == []

    port = walled_server.url.rsplit(":", 1)[1]
    desk.add("Egress grants")
    desk.fill(cidr="127.0.0.1/32", port_from=port, port_to=port, reason="the rack")
    desk.choose("tenant", "hooli")
    desk.save()
    desk.sees("127.0.0.1/32")

    desk.open("Providers", "gpu-box")
    desk.act("Validate now")
    for step in ("policy", "connect", "identify", "auth", "models"):
        desk.sees_step(step, "passed")
    desk.sees_state("Passed")
    desk.open("Providers", "gpu-box")
    desk.sees_state("Healthy")


def test_steps_tick_on_the_open_page_while_a_cold_model_loads(desk, provider, open_server):
    open_server.models["gpt-3.5-turbo"].loaded = False
    open_server.dial.cold_load_seconds = 600.0  # until the page has shown that it waits
    try:
        desk.open("Providers", "demo-box")
        desk.act("Validate now", option="Infer: and one small real call for each type")

        desk.sees_step("models", "passed")
        desk.sees_step("infer", "running")
    finally:
        open_server.dial.cold_load_seconds = 0.0
    desk.sees_step("infer", "passed")
    desk.sees_state("Passed")


def test_an_edit_with_a_wrong_key_shows_what_to_do(desk, provider, open_server):
    open_server.dial.api_keys = {KEY}
    try:
        desk.open("Providers", "demo-box")
        desk.fill(credentials__api_key="sk-wrong-0123456789")
        desk.save()
        desk.open("Providers", "demo-box")
        desk.sees_state("Auth Failed")
        desk.sees_step("auth", "failed")

        desk.fill(name="demo-box-2", credentials__api_key=KEY)
        desk.save()
        desk.open("Providers", "demo-box-2")
        desk.sees_state("Healthy")
    finally:
        open_server.dial.api_keys = set()


def test_a_running_job_is_cancelled_and_lets_go_of_the_server(desk, stack, provider, open_server):
    open_server.dial.token_delay_seconds = 600.0
    before = len(open_server.requests(CHAT))
    try:
        with stack.api as api:
            job = api.post("jobs", json=chat("chat")).raise_for_status().json()
            call = wait_for(lambda: open_server.requests(CHAT)[before:])[0]

            desk.open("Jobs", job["id"][-12:])
            desk.sees_state("Running")
            desk.act("Cancel job")
            desk.sees_state("Cancelled")

            assert api.get(f"jobs/{job['id']}").json()["state"] == "cancelled"
            wait_for(lambda: call.aborted_at)
    finally:
        open_server.dial.token_delay_seconds = 0.0


def test_a_key_is_shown_once_works_and_is_revoked(desk, stack):
    desk.add("API keys")
    desk.choose("tenant", stack.tenant)
    desk.fill(name="ci")
    desk.save()
    key = desk.page.locator("#new-key").inner_text()
    assert re.fullmatch(r"myd_live_\w+", key)
    assert status_with(stack, key) == 200

    desk.open("API keys", "ci")
    desk.act("Revoke")
    desk.sees("The key ci is revoked.")
    expect(desk.page.get_by_role("link", name="Revoke")).to_have_count(0)
    assert status_with(stack, key) == 401


def test_an_operator_logs_out_and_the_pages_are_shut(stack, chromium):
    context = chromium.new_context()
    desk = Desk(context.new_page(), stack.url)
    desk.log_in(stack.admin_email, stack.admin_password)

    context.clear_cookies()
    desk.page.goto(f"{stack.url}/admin/providers/provider/")

    expect(desk.page.get_by_role("button", name="Log in")).to_be_visible()
    context.close()


def test_the_pages_of_the_api_are_drawn_under_their_strict_policy(stack, chromium):
    page = chromium.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))

    page.goto(f"{stack.url}/api/docs/", timeout=60_000)

    expect(page.locator(".opblock").first).to_be_visible(timeout=60_000)
    assert complaints == []
    page.close()


def chat(model: str) -> dict[str, Any]:
    return {"model": model, "operation": "chat.completions", "input": {"messages": [{"role": "user", "content": "Hi"}]}}


def status_with(stack: Stack, key: str) -> int:
    address = f"{stack.url}/api/v1/tenants/{stack.tenant}/providers"
    return httpx.get(address, headers=bearer(key), trust_env=False, timeout=60).status_code
