"""A box that cannot be reached rests, and a model that fails again and again rests alone: callers are told at once."""

import httpx
import pytest

from providers import worker_loop
from providers.models import ModelEntry, Provider
from providers.redis import key, sync_redis
from providers.registration import change_provider
from providers.validation import worker
from providers.validation.runs import queue_run
from tenants.actors import SYSTEM
from tests.fakes.localai_failures import Failure
from tests.fakes.places import closed_port
from tests.providers.gateway.conftest import HELLO, chunks, error, held_call
from tests.providers.rows import add_model, add_provider
from tests.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

RESTS = (503, "provider_cooling_down")
FAILED = (502, "provider_error")
CUT = (502, "provider_bad_response")


@pytest.fixture
def gateway(gateway, settings, clock_of_rests):
    """Three faults are enough; `rest_ends` is when the clock says so."""
    settings.BREAKER_FAULTS = 3
    gateway.rest_ends = lambda: clock_of_rests.forward(120)
    add_model(gateway.provider, "other", upstream_name="gpt-3.5-turbo")
    return gateway


def fails(gateway, times, expected=FAILED, **fields):
    for _ in range(times):
        assert error(gateway.chat(**fields)) == expected


def calls(gateway):
    return len(gateway.fake.requests("/v1/chat/completions"))


def state(gateway):
    row = Provider.objects.for_tenant(gateway.team.id).get(id=gateway.provider.id)
    return row.state, row.state_reason


def health(gateway):
    return ModelEntry.objects.for_tenant(gateway.team.id).get(id=gateway.chat_model.id).health


def rests_in_metrics(gateway, kind):
    lines = httpx.get(f"{gateway.url}/metrics", timeout=60).text.splitlines()
    return float(
        next(line for line in lines if line.startswith(f'modelyard_breakers_open{{kind="{kind}"}}')).split()[1]
    )


def test_a_box_that_gives_no_answer_rests_with_all_its_models_until_it_answers_again(gateway, globex):
    sync_redis().delete(key("breakers"))
    add_model(add_provider(globex, gateway.fake.url), "gpt-4", upstream_name="gpt-3.5-turbo")
    gateway.fake.dial.cut_before_status = True
    fails(gateway, 3, CUT)

    for model in ("gpt-4", "other"):
        response = gateway.chat(model=model)
        assert error(response) == RESTS
        assert 20 < int(response.headers["retry-after"]) <= 66
    assert calls(gateway) == 3
    assert error(gateway.post("chat/completions", HELLO, key=globex.key)) == CUT
    wait_for(lambda: state(gateway) == ("degraded", "bad_response"))
    wait_for(lambda: rests_in_metrics(gateway, "provider") == 1)

    gateway.fake.dial.cut_before_status = False
    assert error(gateway.chat()) == RESTS
    gateway.rest_ends()

    assert gateway.chat().status_code == 200
    assert gateway.chat(model="other").status_code == 200
    wait_for(lambda: state(gateway) == ("healthy", None))
    wait_for(lambda: rests_in_metrics(gateway, "provider") == 0)


def test_a_box_where_nothing_listens_is_shown_as_unreachable_with_the_reason(gateway):
    gateway.provider = add_provider(gateway.team, f"http://127.0.0.1:{closed_port()}", name="off")
    add_model(gateway.provider, "gone")
    fails(gateway, 3, (502, "provider_unreachable"), model="gone")

    assert error(gateway.chat(model="gone")) == RESTS
    wait_for(lambda: state(gateway) == ("unreachable", "connection_refused_loopback"))


def test_any_answer_shows_that_the_box_is_alive(gateway):
    for answer in (Failure(500, "something new"), Failure(401, "no"), Failure(400, "no")):
        gateway.fake.dial.fail = answer
        gateway.fake.dial.cut_before_status = True
        fails(gateway, 2, CUT)
        gateway.fake.dial.cut_before_status = False
        assert error(gateway.chat()) != RESTS


def test_a_model_that_fails_rests_alone(gateway):
    gateway.fake.dial.fail = "backend_eof"
    fails(gateway, 2)
    fails(gateway, 1, stream=True)

    response = gateway.chat()

    assert error(response) == RESTS
    assert "backend_crashed" in response.json()["error"]["message"]
    wait_for(lambda: health(gateway).get("state") == "failing")
    gateway.fake.dial.fail = None
    assert gateway.chat(model="other").status_code == 200
    assert error(gateway.chat()) == RESTS
    gateway.rest_ends()
    assert gateway.chat().status_code == 200
    wait_for(lambda: (health(gateway)["state"], health(gateway)["code"]) == ("healthy", None))


def test_streams_that_break_off_count_and_one_more_after_a_rest_is_enough(gateway):
    gateway.fake.dial.fail, gateway.fake.dial.fail_after_tokens = "backend_eof", 2
    for _ in range(3):
        assert "error" in chunks(gateway.stream())[-1]
    assert error(gateway.stream()) == RESTS

    gateway.rest_ends()
    assert "error" in chunks(gateway.stream())[-1]

    assert error(gateway.stream()) == RESTS
    assert calls(gateway) == 4


def test_what_callers_bring_about_never_sends_a_model_to_rest(gateway):
    for fail in (
        Failure(500, "rpc error: request (20652 tokens) exceeds the available context size (8192 tokens)"),
        Failure(400, "code=400, message=grammar does not parse"),
        Failure(404, "Resource not found"),
        Failure(503, "busy", retry_after="9"),
        "model_loading",
    ):
        gateway.fake.dial.fail = fail
        for _ in range(4):
            gateway.chat()

    gateway.fake.dial.fail = None
    assert gateway.chat().status_code == 200


def test_after_a_rest_one_call_finds_out_while_the_others_are_told_to_wait(gateway, call):
    gateway.fake.dial.fail = "backend_eof"
    fails(gateway, 3)
    gateway.fake.dial.fail, gateway.fake.dial.hang = None, True
    gateway.fake.ledger.clear()
    gateway.rest_ends()
    probe = call(stream=True)
    held_call(gateway)

    assert [error(gateway.chat()) for _ in range(3)] == [RESTS] * 3
    assert calls(gateway) == 1

    gateway.fake.dial.hang = False
    probe.close()
    wait_for(lambda: gateway.chat().status_code == 200)


def test_a_validation_that_passes_ends_the_rest_and_so_does_a_change_of_the_provider(gateway, settings):
    settings.BREAKER_FIRST_SECONDS = settings.BREAKER_MOST_SECONDS = 600.0
    gateway.fake.dial.cut_before_status = True
    fails(gateway, 3, CUT)
    gateway.fake.dial.cut_before_status = False
    assert error(gateway.chat()) == RESTS

    worker.execute(queue_run(gateway.provider, level="models", by=SYSTEM).id).result(60)
    worker_loop.stop(10.0)
    assert gateway.chat().status_code == 200

    gateway.fake.dial.fail = "backend_eof"
    fails(gateway, 3)
    gateway.fake.dial.fail = None
    assert error(gateway.chat()) == RESTS

    change_provider(gateway.provider, by=SYSTEM, changes={"settings": {"extra_headers": {"X-Site": "two"}}})
    wait_for(lambda: gateway.chat().status_code == 200)
