"""One record for each call that a model server was or would be asked for, however it ends; none for what is refused
before."""

import pytest

from providers.models import Provider
from tenants.rate_limits import RateLimits
from tests.providers.gateway.conftest import HELLO, held_call

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_call_is_metered_with_all_that_is_known_of_it(gateway):
    gateway.stream()

    record = gateway.used()
    assert (record.tenant_id, record.api_key_id) == (gateway.team.id, gateway.team.api_key.id)
    assert (record.model_name, record.model_entry_id) == ("gpt-4", gateway.chat_model.pk)
    assert (record.provider_id, record.operation) == (gateway.provider.pk, "chat.completions")
    assert (record.outcome, record.is_estimated, record.job_id) == ("succeeded", False, None)
    assert (record.prompt_tokens > 0, record.completion_tokens) == (True, 6)
    assert 0 <= record.first_token_ms <= record.total_ms


def test_each_end_of_a_call_is_one_record(gateway, call, settings):
    gateway.chat()
    gateway.fake.dial.fail = "no_backends"
    gateway.chat()
    gateway.fake.dial.fail = None
    gateway.fake.dial.tokens, gateway.fake.dial.cut_after_tokens = ("word ",) * 9, 3
    gateway.stream()
    gateway.fake.dial.cut_after_tokens = None

    outcomes = [(record.outcome, record.completion_tokens) for record in gateway.metered(3)]

    assert outcomes[0] == ("succeeded", 6)
    assert outcomes[1] == ("backend_not_installed", None)
    assert outcomes[2][0] == "error_in_stream"
    assert outcomes[2][1] > 0


def test_a_call_for_which_there_was_no_room_is_metered(gateway, call, settings):
    Provider.objects.for_tenant(gateway.team.id).update(settings={"max_concurrency": 1})
    settings.GATEWAY_QUEUE_MAX = 0
    gateway.fake.dial.hang = True
    call()
    held_call(gateway)

    gateway.chat()

    assert [(record.outcome, record.prompt_tokens) for record in gateway.metered(1)] == [("queue_full", None)]


def test_what_is_refused_before_is_not_metered(gateway):
    one_call = gateway.team.key_of(gateway.team.owner, rate_limits=RateLimits(requests_per_minute=1))
    other_models = gateway.team.key_of(gateway.team.owner, allowed_models=frozenset({"ada"}))

    statuses = [
        gateway.post("chat/completions", body, key=key).status_code
        for key, body in (
            (one_call, HELLO),
            (one_call, HELLO),
            (other_models, HELLO),
            ("myd_live_wrong", HELLO),
            (None, {"model": "gpt-4"}),
        )
    ]

    assert statuses == [200, 429, 404, 401, 400]
    assert [record.outcome for record in gateway.metered(1)] == ["succeeded"]
