"""A person logs in as a frontend does, adds a provider, and follows its validation while it runs."""

import json
from pathlib import Path

import httpx


def logged_in(stack):
    answer = httpx.post(
        f"{stack.url}/_allauth/app/v1/auth/login",
        json={"email": stack.admin_email, "password": stack.admin_password},
        trust_env=False,
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    session = {"X-Session-Token": answer.json()["meta"]["session_token"]}
    return httpx.Client(base_url=stack.url, headers=session, timeout=60, trust_env=False)


def steps_of(events):
    """(name, data) of each event of a stream, to its end."""
    name = None
    for line in events:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        if line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def test_log_in_add_a_provider_and_follow_its_validation(stack):
    stack.manage("create_tenant", "initrode", "--owner", stack.admin_email)
    with stack.api as api:
        demo = api.get("/providers").json()["results"][0]
    key = (Path(stack.state) / "demo_key").read_text().strip()

    with logged_in(stack) as person:
        created = person.post(
            "/api/v1/tenants/initrode/providers",
            json={"kind": "localai", "name": "box", "base_url": demo["base_url"], "credentials": {"api_key": key}},
        )
        assert created.status_code == 201, created.text
        provider = created.json()
        run = provider["last_validation"]["id"]
        events = f"/api/v1/tenants/initrode/providers/{provider['id']}/validations/{run}/events"
        with person.stream("GET", events) as stream:
            seen = list(steps_of(stream.iter_lines()))
        after = person.get(f"/api/v1/tenants/initrode/providers/{provider['id']}").json()

    assert [data["step"] for name, data in seen if name == "step"] == [
        "policy",
        "connect",
        "identify",
        "auth",
        "models",
    ]
    assert seen[-1][0] == "done"
    assert seen[-1][1]["state"] == "passed"
    assert after["state"] == "healthy"
    assert key not in json.dumps(after)
