"""What an operator does with the mouse and the keyboard, in words."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from playwright.sync_api import Locator, Page, expect

SECONDS = 1000  # Playwright counts in milliseconds
PATIENCE = 60.0  # seconds; a busy machine may stand still for some

expect.set_options(timeout=PATIENCE * SECONDS)


@dataclass
class Desk:
    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)  # of the browser: errors, refused or foreign requests

    def __post_init__(self) -> None:
        self.page.set_default_timeout(PATIENCE * SECONDS)
        self.page.on("console", lambda message: message.type == "error" and self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self._note_foreign(request.url))

    def _note_foreign(self, address: str) -> None:
        if not address.startswith((self.url, "data:", "blob:")):
            self.complaints.append(f"foreign request: {address}")

    def log_in(self, email: str, password: str) -> None:
        self.page.goto(f"{self.url}/admin/")
        self.page.get_by_label("Email address").fill(email)
        self.page.locator("input[name=password]").fill(password)
        self.page.get_by_role("button", name="Log in").click()
        expect(self.page.get_by_role("heading", name="Dashboard")).to_be_visible()

    def open(self, *names: str) -> None:
        """By the sidebar, then by the rows' names."""
        self._follow(self.page.locator("#nav-sidebar-apps").get_by_role("link", name=names[0], exact=False).first)
        for name in names[1:]:
            self._follow(self.page.locator("#result_list").get_by_role("link", name=name, exact=True))

    def _follow(self, link: Locator) -> None:
        """And be there: else what comes next may be done on the page that is being left."""
        address = urlsplit(urljoin(self.page.url, link.get_attribute("href")))
        link.click()
        self.page.wait_for_url(lambda url: urlsplit(url).path == address.path)

    def add(self, what: str) -> None:
        self.open(what)
        self._follow(self.page.locator("a[href$='/add/']:visible").first)

    def fill(self, **values: str) -> None:
        for name, value in values.items():
            self.page.locator(f"[name={name}]").fill(value)

    def choose(self, field_name: str, text: str) -> None:
        """Out of the list that opens when one types."""
        self.page.locator(f".field-{field_name} .select2-selection").click()
        with self.page.expect_response(lambda answer: "autocomplete" in answer.url and f"term={text}" in answer.url):
            self.page.locator(".select2-search__field").last.fill(text)
        self.page.locator(".select2-results__option", has_text=re.compile(f"^{re.escape(text)}$")).click()
        expect(self.page.locator(f".field-{field_name} .select2-selection")).to_contain_text(text)

    def save(self) -> None:
        with self.page.expect_navigation():
            self.page.get_by_role("button", name="Save", exact=True).click()

    def act(self, label: str, option: str | None = None) -> None:
        """Press an act's button and confirm its dialog."""
        self.page.get_by_role("link", name=label).click()
        dialog = self.page.locator("#modal-content")
        if option:
            dialog.get_by_label(option).check()
        dialog.get_by_role("button", name=label).click()

    def sees(self, text: str, *, seconds: float = PATIENCE) -> None:
        expect(self.page.get_by_text(text).first).to_be_visible(timeout=seconds * SECONDS)

    def sees_step(self, name: str, state: str, *, seconds: float = PATIENCE) -> None:
        step = self.page.locator(f"#panel [data-step={name}]")
        expect(step).to_have_attribute("data-state", state, timeout=seconds * SECONDS)

    def sees_state(self, state: str, *, seconds: float = PATIENCE) -> None:
        badge = self.page.locator("#panel .op-head").get_by_text(state, exact=True)
        expect(badge).to_be_visible(timeout=seconds * SECONDS)
