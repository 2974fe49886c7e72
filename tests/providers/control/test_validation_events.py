"""A frontend follows a validation: each step as it ends, then the whole run, then the end of the stream."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import httpx
import pytest

from providers.models import ValidationRun
from providers.validation import worker
from tests.factories import bearer
from tests.providers.control.conftest import KEY, register
from tests.stack.serving import serving
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)
STEPS = ["policy", "connect", "identify", "auth", "models"]


@pytest.fixture(params=["heard", "unheard"])
def url(request, transactional_db, settings, tmp_path) -> Iterator[str]:
    """A real web process; once with Redis and once without."""
    if request.param == "heard":
        settings.REDIS_URL = request.getfixturevalue("redis_url")
    else:
        settings.REDIS_URL = f"unix://{tmp_path}/nothing.sock?db=0"
    from config.asgi import application

    with serving(application) as (host, port):
        yield f"http://{host}:{port}"


def events_of(text):
    found = []
    for block in text.split("\n\n"):
        lines = [line for line in block.splitlines() if line and not line.startswith(":")]
        if lines:
            fields = dict(line.split(": ", 1) for line in lines)
            found.append((fields["event"], json.loads(fields["data"])))
    return found


def read(url, path, key, **headers):
    return httpx.get(url + path, headers={**bearer(key), **headers}, timeout=60)


def reading(url, path, key):
    """A thread that reads the stream to its end, and where the answer will be."""
    answers = []
    reader = threading.Thread(target=lambda: answers.append(read(url, path, key)))
    reader.start()
    return reader, answers


def events_path(team, provider):
    run = ValidationRun.objects.for_tenant(team.id).order_by("-id").first()
    return f"{team.path}/providers/{provider['id']}/validations/{run.id}/events"


def test_a_reader_sees_the_steps_as_they_end_and_then_the_run(acme, fake, work, url):
    fake.dial.cold_load_seconds = 0.2
    provider = register(acme, fake.url)
    acme.client.patch(f"{acme.path}/providers/{provider['id']}", {"settings": {"max_concurrency": 1}})
    reader, answers = reading(url, events_path(acme, provider), acme.key)

    work()
    reader.join(60)

    answer = answers[0]
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = events_of(answer.text)
    assert [data["step"] for name, data in events if name == "step"] == STEPS
    name, run = events[-1]
    assert (name, run["state"], run["provider"]) == ("done", "passed", provider["id"])
    assert [name for name, _ in events].count("done") == 1
    shown = acme.client.get(events_path(acme, provider).removesuffix("/events")).json()
    assert run == shown


def test_a_step_is_seen_before_the_next_one_has_ended(acme, fake, work, url):
    fake.dial.hang_listing = True
    provider = register(acme, fake.url, settings={"total_timeout_seconds": 100})
    run_id = ValidationRun.objects.for_tenant(acme.id).get().id
    running = worker.execute(run_id)

    with httpx.stream("GET", url + events_path(acme, provider), headers=bearer(acme.key), timeout=60) as answer:
        first = next(line for line in answer.iter_lines() if line.startswith("data: "))
        assert json.loads(first.removeprefix("data: "))["step"] == "policy"
        assert not running.done()

    running.cancel()  # as a worker's end does: the run goes back to the queue
    wait_for(lambda: ValidationRun.objects.for_tenant(acme.id).get().state == "queued", seconds=30)


def test_who_joins_late_gets_everything_at_once(acme, fake, work, url):
    provider = register(acme, fake.url)
    work()

    events = events_of(read(url, events_path(acme, provider), acme.key).text)

    assert [name for name, _ in events] == ["step"] * len(STEPS) + ["done"]


def test_a_form_has_its_own_stream(acme, fake, work, url):
    started = acme.client.post(f"{acme.path}/validations", {"kind": "localai", "base_url": fake.url}).json()
    work()

    events = events_of(read(url, f"{acme.path}/validations/{started['id']}/events", acme.key).text)

    assert events[-1][1]["id"] == started["id"]


def test_a_cancelled_run_ends_the_stream(acme, url, loopback, work):
    provider = register(acme)
    reader, answers = reading(url, events_path(acme, provider), acme.key)

    acme.client.patch(f"{acme.path}/providers/{provider['id']}", {"base_url": "http://192.168.1.101:8080"})

    wait_for(lambda: answers, seconds=60)
    reader.join()
    assert events_of(answers[0].text)[-1][1]["state"] == "cancelled"


def test_the_stream_is_refused_as_every_other_address_is(acme, globex, url):
    provider = register(acme, credentials={"api_key": KEY})
    path = events_path(acme, provider)

    nobody = httpx.get(url + path, timeout=60)
    stranger = read(url, path, globex.key)
    unknown = read(url, f"{acme.path}/validations/nonsense/events", acme.key)
    without = read(url, path, acme.key_of(acme.owner, ["models:read"]))

    assert (nobody.status_code, nobody.headers["www-authenticate"][:6]) == (401, "Bearer")
    assert [answer.status_code for answer in (stranger, unknown, without)] == [404, 404, 403]
    for answer in (nobody, stranger, unknown, without):
        assert answer.headers["content-type"] == "application/problem+json"
