"""How long a call may take to connect, to its first token, between tokens and in all; a model may say so itself."""

import threading
import time

import pytest

from tests.fakes.places import silent_port
from tests.providers.gateway.conftest import chunks, error, held_call, in_line
from tests.providers.rows import add_model, add_provider
from tests.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

TIMEOUT = (504, "timeout")


@pytest.fixture
def model(gateway):
    """A model with deadlines of its own at a provider that has all the time of the world."""

    def add(name, **settings):
        own = {f"{phase}_timeout_seconds": seconds for phase, seconds in settings.items()}
        add_model(gateway.provider, name, upstream_name="gpt-3.5-turbo", settings=own)
        return name

    return add


def message(response):
    return response.json()["error"]["message"]


def connect(gateway):
    """A connection that rests, so that the next deadline cannot fall into the dialling."""
    gateway.fake.dial.hang = False
    assert gateway.chat().status_code == 200
    gateway.fake.dial.hang = True


def begun(ask):
    """The stream, once it has begun: where the machine stands still, the deadline may come before that."""
    return wait_for(lambda: (response := ask()).status_code == 200 and response)


def test_a_call_without_an_answer_ends_with_504_and_says_which_deadline_it_was(gateway, model):
    eager, short = model("eager", first_token=0.2), model("short", total=0.3)
    brief = model("brief", total=0.3, first_token=5)

    connect(gateway)
    late = gateway.stream(model=eager)
    connect(gateway)
    unary = gateway.chat(model=short)
    connect(gateway)
    stream = gateway.stream(model=brief)

    assert [error(late), error(unary), error(stream)] == [TIMEOUT] * 3
    assert "No token came within 0.2 s." in message(late)
    assert "did not answer within 0.3 s." in message(unary)
    assert "The call took longer than 0.3 s." in message(stream)


def test_a_begun_stream_that_falls_silent_or_takes_too_long_ends_with_an_event(gateway, model):
    gateway.fake.dial.stall_after_tokens = 2

    restless, brief = model("restless", idle=0.2), model("brief", total=0.5)

    silent = chunks(gateway.stream(model=restless))[-1]["error"]
    endless = chunks(begun(lambda: gateway.stream(model=brief)))[-1]["error"]

    assert (silent["code"], endless["code"]) == ("timeout", "timeout")
    assert "Nothing came for 0.2 s after the answer had begun." in silent["message"]
    assert "The call took longer than 0.5 s." in endless["message"]


def test_a_server_that_takes_no_connection_is_unreachable_after_the_connect_timeout(gateway):
    with silent_port() as port:
        far = add_provider(gateway.team, f"http://127.0.0.1:{port}", name="far")
        add_model(far, "far", settings={"connect_timeout_seconds": 0.2})

        response = gateway.chat(model="far")

    assert error(response) == (502, "provider_unreachable")
    assert "did not answer within 0.2 s." in message(response)


def test_what_the_model_does_not_say_the_provider_does(gateway):
    slow = add_provider(gateway.team, gateway.fake.url, name="slow", first_token_timeout_seconds=0.2)
    add_model(slow, "as-the-provider", upstream_name="gpt-3.5-turbo", settings={"idle_timeout_seconds": 60})
    add_model(slow, "patient", upstream_name="gpt-3.5-turbo", settings={"first_token_timeout_seconds": 60})
    gateway.fake.dial.hang = True
    assert error(gateway.stream(model="as-the-provider")) == TIMEOUT

    gateway.fake.dial.hang, gateway.fake.dial.cold_load_seconds = False, 0.5

    assert gateway.stream(model="patient").status_code == 200


def test_the_wait_for_a_slot_counts_in_no_deadline(gateway, call):
    one_slot = add_provider(gateway.team, gateway.fake.url, name="narrow", max_concurrency=1)
    add_model(one_slot, "narrow", upstream_name="gpt-3.5-turbo", settings={"total_timeout_seconds": 6})
    holder = add_model(one_slot, "holder", upstream_name="gpt-3.5-turbo")
    gateway.provider = one_slot
    gateway.fake.dial.hang = True
    holding = call(model=holder.name)
    held_call(gateway)
    gateway.fake.dial.hang = False
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(gateway.chat(model="narrow")))
    waiting.start()
    since = wait_for(lambda: in_line(gateway) and time.monotonic())

    wait_for(lambda: time.monotonic() - since > 6.2)
    holding.close()
    waiting.join(60)

    assert answers[0].status_code == 200
    assert int(answers[0].headers["x-queue-ms"]) > 6000
