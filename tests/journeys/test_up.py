"""What `bin/up` leaves behind, and that it keeps its word while it runs."""

import json
import os
import signal
import stat
from pathlib import Path

import httpx

from tests.waiting import wait_for


def whole(stack):
    """The answer that says that every part is there; None while there is none."""
    try:
        answer = httpx.get(f"{stack.url}/readyz", trust_env=False, timeout=30)
    except httpx.TransportError:
        return None
    return answer if answer.status_code == 200 and set(parts(answer).values()) == {"ok"} else None


def parts(answer):
    return {name: state for name, state in answer.json().items() if name in ("database", "redis", "workers")}


def stat_of(process_id):
    """Its state, its parent, and so on."""
    return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()


def worker_process(stack):
    """The worker that bin/up started, by its command line; None between a death and the next start."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int(stat_of(int(entry.name))[1])
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
    assert parts(wait_for(lambda: whole(stack), seconds=60)) == {
        "database": "ok",
        "redis": "ok",
        "workers": "ok",
    }


def test_a_tenant_is_made_by_a_command(stack):
    done = stack.manage("create_tenant", "initech", "--owner", "boss@initech.example")

    made = json.loads(done.stdout.strip().splitlines()[-1])
    assert made["tenant"] == "initech"
    key = {"Authorization": f"Bearer {made['api_key']}"}
    me = httpx.get(f"{stack.url}/api/v1/me", headers=key, trust_env=False, timeout=60).json()
    assert me["memberships"][0]["role"] == "owner"


LONG_ANSWER = {"messages": [{"role": "user", "content": "Count to a thousand."}], "max_tokens": 400}
JOB = {"model": "gpt-3.5-turbo", "operation": "chat.completions", "input": LONG_ANSWER}


def killed_in_the_middle(stack, api):
    """A job, and the worker that was killed while it ran it: a worker that stands still ends none before its death."""
    while True:
        job = api.post("/jobs", json=JOB).json()["id"]
        wait_for(lambda job=job: api.get(f"/jobs/{job}").json()["state"] != "queued")
        worker = wait_for(lambda: worker_process(stack))
        os.kill(worker, signal.SIGSTOP)
        wait_for(lambda worker=worker: stat_of(worker)[0] == "T")
        if api.get(f"/jobs/{job}").json()["state"] == "running":
            os.kill(worker, signal.SIGKILL)
            return job, worker
        os.kill(worker, signal.SIGCONT)


def test_a_job_whose_worker_is_killed_ends_honestly_once_there_is_a_worker_again(stack):
    with stack.api as api:
        job, killed = killed_in_the_middle(stack, api)

        ended = wait_for(lambda: (now := api.get(f"/jobs/{job}").json())["finished_at"] and now, seconds=240)

    assert ended["state"] == "succeeded"
    assert ended["attempt"] == 2
    assert ended["result"]["choices"][0]["finish_reason"] in ("stop", "length")
    assert worker_process(stack) not in (killed, None)
