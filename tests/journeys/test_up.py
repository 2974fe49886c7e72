"""What `bin/up` leaves behind, and that it keeps its word while it runs."""

import json
import os
import signal
import stat
from pathlib import Path

import httpx

from tests.waiting import wait_for


def ready(stack):
    try:
        return httpx.get(f"{stack.url}/readyz", trust_env=False)
    except httpx.TransportError:
        return None


def is_whole(stack):
    answer = ready(stack)
    return answer is not None and answer.status_code == 200 and set(parts(answer).values()) == {"ok"}


def parts(answer):
    return {name: state for name, state in answer.json().items() if name in ("database", "redis", "workers")}


def worker_process(stack):
    """The worker that bin/up started, by its command line; None between a death and the next start."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            command = (entry / "cmdline").read_text().split("\0")
        except OSError:  # it has ended meanwhile
            continue
        if parent == stack.process.pid and {"celery", "worker"} <= set(command):
            return int(entry.name)
    return None


def test_it_leaves_its_keys_for_its_owner_alone(stack):
    file = stack.state / "up.json"

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert set(json.loads(file.read_text())) == {"url", "tenant", "api_key", "admin_email", "admin_password"}


def test_every_part_is_ready(stack):
    assert parts(wait_for(lambda: is_whole(stack) and ready(stack), seconds=20)) == {
        "database": "ok",
        "redis": "ok",
        "workers": "ok",
    }


def test_a_tenant_is_made_by_a_command(stack):
    done = stack.manage("create_tenant", "initech", "--owner", "boss@initech.example")

    made = json.loads(done.stdout.strip().splitlines()[-1])
    assert made["tenant"] == "initech"
    me = httpx.get(
        f"{stack.url}/api/v1/me", headers={"Authorization": f"Bearer {made['api_key']}"}, trust_env=False
    ).json()
    assert me["memberships"][0]["role"] == "owner"


def test_a_job_whose_worker_is_killed_ends_honestly_once_there_is_a_worker_again(stack):
    long_answer = {"messages": [{"role": "user", "content": "Count to a thousand."}], "max_tokens": 400}
    body = {"model": "gpt-3.5-turbo", "operation": "chat.completions", "input": long_answer}
    with stack.api as api:
        job = api.post("/jobs", json=body).json()
        wait_for(lambda: api.get(f"/jobs/{job['id']}").json()["state"] == "running", seconds=20)
        killed = worker_process(stack)
        os.kill(killed, signal.SIGKILL)

        ended = wait_for(lambda: (now := api.get(f"/jobs/{job['id']}").json())["finished_at"] and now, seconds=90)

    assert ended["state"] == "succeeded"
    assert ended["attempt"] == 2
    assert ended["result"]["choices"][0]["finish_reason"] in ("stop", "length")
    assert worker_process(stack) not in (killed, None)
