"""What people do in a browser: join, log in, forget their passwords; and what an operator does in the admin."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time

from tests.security.canary.careless import FORCED
from tests.security.canary.flows import Drive
from tests.security.canary.observed import Observed
from tests.security.canary.planted import Plants

APP = "/_allauth/app/v1"
HANDS_OUT_SESSIONS = r"answer to \w+ /(_allauth|admin/login)/"
OPERATORS_PAGES = re.compile(rb'href="(/admin/(?:tenants|providers|admin|auth)/[a-z]+/)')
ERRORS = re.compile(r'<ul class="errorlist.*?</ul>', re.DOTALL)
ROWS = re.compile(rb'href="(/admin/(?:tenants|providers|admin|auth)/[a-z]+/[0-9a-f-]{36}/change/)')


def join(flow: Drive) -> None:
    """Invited by email, signed up, in; then a wrong password, a forgotten one, and a second factor."""
    stack, plants, owner = flow.stack, flow.plants, flow.owner
    body = {"email": plants.email.text, "role": "member"}
    assert owner.post(f"{stack.path}/invitations", json=body).status_code == 201
    token = plants.hand_out("an invitation's token", in_mail(stack, r"/invitations/(\S+)"), at="email")
    sign_up = {"email": plants.email.text, "password": plants.password.text}
    assert stack.client().post(f"{APP}/auth/signup", json=sign_up).status_code == 401
    address = in_mail(stack, r"/account/verify-email/(\S+)")
    verified = stack.client().post(f"{APP}/auth/email/verify", json={"key": address.replace("%3A", ":")})
    assert verified.status_code in (200, 401), verified.text
    person = log_in(stack, plants, plants.email.text, plants.password.text)
    joined = person.post(f"/api/v1/invitations/{token}/accept", json={})
    assert joined.status_code in (200, 201), joined.text
    owner.get(f"{stack.path}/members")
    add_second_factor(person, plants)
    forget_password(stack, plants)


def log_in(stack: Observed, plants: Plants, email: str, password: str) -> httpx.Client:
    wrong = {"email": email, "password": plants.refused_key.text}
    assert stack.client().post(f"{APP}/auth/login", json=wrong).status_code == 400
    answer = stack.client().post(f"{APP}/auth/login", json={"email": email, "password": password})
    assert answer.status_code == 200, answer.text
    token = answer.json()["meta"]["session_token"]
    plants.hand_out("a session token", token, at=HANDS_OUT_SESSIONS)
    return stack.client(**{"X-Session-Token": token})


def add_second_factor(person: httpx.Client, plants: Plants) -> None:
    offered = person.get(f"{APP}/account/authenticators/totp").json()
    secret = plants.hand_out("a second factor", offered["meta"]["secret"], at="answer to GET /_allauth/")
    person.post(f"{APP}/auth/reauthenticate", json={"password": plants.password.text})
    answer, is_timely = send_code(person, secret)
    while answer.status_code != 200:
        assert not is_timely, answer.text
        answer, is_timely = send_code(person, secret)


def send_code(person: httpx.Client, secret: str) -> tuple[httpx.Response, bool]:
    """Send what the app shows now; tell whether it still does when the answer is there: a code has half a minute."""
    counter = now_counter()
    code = format_hotp_value(hotp_value(secret, counter))
    answer = person.post(f"{APP}/account/authenticators/totp", json={"code": code})
    return answer, now_counter() == counter


def now_counter() -> int:
    return next(iter(yield_hotp_counters_from_time()))


def forget_password(stack: Observed, plants: Plants) -> None:
    stack.client().post(f"{APP}/auth/password/request", json={"email": plants.email.text})
    key = plants.hand_out("a reset key", in_mail(stack, r"/password/reset/key/(\S+)"), at="email")
    body = {"key": key, "password": plants.password.text}
    stack.client(**{"X-Password-Reset-Key": key}).get(f"{APP}/auth/password/reset")
    assert stack.client().post(f"{APP}/auth/password/reset", json=body).status_code in (200, 401)


def in_mail(stack: Observed, pattern: str) -> str:
    """Out of the newest letter that holds it."""
    letters = sorted((stack.folder / "mail").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    found = [match for match in (re.search(pattern, text_of(path)) for path in letters) if match]
    assert found, [text_of(path) for path in letters]
    return found[-1][1]


def text_of(letter: Path) -> str:
    return letter.read_text()


# --- The operator ---
def operate(flow: Drive) -> None:
    """Add and edit a provider, be refused, break it, then look at every page there is."""
    stack, plants = flow.stack, flow.plants
    staff = stack.client(Referer=stack.url)
    form = {"username": stack.admin_email, "password": stack.admin_password, "next": "/admin/"}
    submit(staff, "/admin/login/", form, expect=302)
    plants.hand_out("the operator's session", staff.cookies["sessionid"], at=HANDS_OUT_SESSIONS)
    submit(staff, "/admin/login/", {**form, "password": plants.refused_key.text})
    typed = {"credentials__api_key": plants.typed_key.text, "credentials__admin_api_key": plants.typed_key.text}
    row = f"/admin/providers/provider/{flow.ids['provider']}/change/"
    settings = settings_in(staff.get(row).text)
    submit(staff, row, {**settings, **typed, "base_url": "http://0.0.0.0:8080"})
    submit(staff, row, {**settings, **typed}, expect=302)
    new = {**settings, **typed, "tenant": tenant_in(staff), "name": "typed", "base_url": "http://10.0.0.9:1"}
    submit(staff, "/admin/providers/provider/add/?kind=localai", {**new, "base_url": "http://0.0.0.0:1"})
    submit(staff, "/admin/providers/provider/add/?kind=localai", new, expect=302)
    submit(staff, "/admin/providers/provider/add/?kind=localai", {**new, "name": FORCED}, expect=500)
    look_around(staff)


def submit(staff: httpx.Client, path: str, form: dict[str, str], expect: int = 200) -> None:
    """Post a form, with the token that its page set."""
    staff.get(path)
    answer = staff.post(path, data={**form, "csrfmiddlewaretoken": staff.cookies["csrftoken"]})
    assert answer.status_code == expect, (path, answer.status_code, ERRORS.findall(answer.text))


def settings_in(page: str) -> dict[str, str]:
    """What the provider's form sends when nothing was touched."""
    inputs = re.findall(r'<input[^>]* name="((?:settings__|name|base_url)[a-z_]*)"[^>]*>', page)
    values = {name: re.search(rf'<input[^>]* name="{name}"[^>]*>', page) for name in inputs}
    found = {name: re.search(r'value="([^"]*)"', match[0]) for name, match in values.items() if match}
    return {"settings__extra_headers": "{}", **{name: value[1] for name, value in found.items() if value}}


def tenant_in(staff: httpx.Client) -> str:
    rows = ROWS.findall(staff.get("/admin/tenants/tenant/").content)
    return next(row.decode().split("/")[4] for row in rows if b"/tenants/tenant/" in row)


def look_around(staff: httpx.Client) -> None:
    lists = sorted(set(OPERATORS_PAGES.findall(staff.get("/admin/").content)))
    assert len(lists) > 10
    for page in lists:
        listed = staff.get(page.decode())
        for row in dict.fromkeys(ROWS.findall(listed.content)[:6]):
            staff.get(row.decode())
            staff.get(row.decode().replace("/change/", "/history/"), follow_redirects=True)
        staff.get(f"{page.decode()}add/")
