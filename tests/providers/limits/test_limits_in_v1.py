"""What a caller of /v1 meets at a limit: an honest 429, headers in OpenAI's form, and room again when it is told."""

import time

import pytest

from providers.redis import key, sync_redis
from tenants.actors import SYSTEM
from tenants.models import ApiKey
from tenants.rate_limits import RateLimits
from tenants.registration import limit_tenant
from tests.factories import ApiClient, bearer
from tests.providers.gateway.conftest import HELLO, error, held_call
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

PREFIX = "x-ratelimit-"


def limited_key(gateway, **figures):
    """A new key of acme's owner with these limits."""
    return gateway.team.key_of(gateway.team.owner, rate_limits=RateLimits(**figures))


def chat_with(gateway, key, **fields):
    return gateway.post("chat/completions", {**HELLO, **fields}, key=key)


def told(response):
    return {name.removeprefix(PREFIX): value for name, value in response.headers.items() if name.startswith(PREFIX)}


def test_without_a_limit_no_header_tells_of_one_and_nothing_is_counted(gateway):
    assert told(gateway.chat()) == {}
    assert list(sync_redis().scan_iter(key("limits", f"{gateway.team.id}*"))) == []


def test_the_call_after_the_last_one_is_refused_with_the_time_to_wait(gateway):
    key = limited_key(gateway, requests_per_minute=3)

    first = chat_with(gateway, key)
    rest = [chat_with(gateway, key) for _ in range(3)]

    assert told(first)["limit-requests"] == "3"
    assert told(first)["remaining-requests"] == "2"
    assert told(first)["reset-requests"].endswith("s")
    assert "limit-tokens" not in told(first)
    assert [response.status_code for response in rest] == [200, 200, 429]
    assert error(rest[-1]) == (429, "rate_limit_exceeded")
    assert rest[-1].json()["error"]["type"] == "rate_limit_error"
    assert "This API key is limited to 3 requests a minute." in rest[-1].json()["error"]["message"]
    assert 1 <= int(rest[-1].headers["retry-after"]) <= 20
    assert told(rest[-1])["remaining-requests"] == "0"


def test_after_the_time_that_was_told_a_call_passes(gateway):
    key = limited_key(gateway, requests_per_minute=60)
    responses = [chat_with(gateway, key) for _ in range(60)]
    more = (chat_with(gateway, key) for _ in range(100))
    refused = next(response for response in more if response.status_code == 429)

    assert {response.status_code for response in responses} == {200}
    assert refused.headers["retry-after"] == "1"
    wait_for(lambda: chat_with(gateway, key).status_code == 200)


def test_the_tenants_limit_binds_all_its_keys_together_and_no_other_tenant(gateway, globex):
    limit_tenant(gateway.team.tenant, RateLimits(requests_per_minute=2), by=SYSTEM)
    other = gateway.team.key_of(gateway.team.owner)

    statuses = [gateway.chat().status_code, chat_with(gateway, other).status_code, gateway.chat().status_code]

    assert statuses == [200, 200, 429]
    assert error(chat_with(gateway, globex.key)) == (404, "model_not_found")


def test_the_limit_of_which_less_is_left_is_told_and_a_refusal_counts_in_neither(gateway):
    limit_tenant(gateway.team.tenant, RateLimits(requests_per_minute=4), by=SYSTEM)  # one comes back after 15 s
    key = limited_key(gateway, requests_per_minute=2)

    statuses = [chat_with(gateway, key).status_code for _ in range(5)]
    of_tenant = told(gateway.chat())

    assert statuses == [200, 200, 429, 429, 429]
    assert (of_tenant["limit-requests"], of_tenant["remaining-requests"]) == ("4", "1")


def test_tokens_are_taken_as_a_guess_and_settled_as_the_server_counted(gateway):
    key = limited_key(gateway, tokens_per_minute=10_000)

    began = time.monotonic()
    during = chat_with(gateway, key, max_tokens=9000)
    come_back = (time.monotonic() - began) * 10_000 / 60
    used = during.json()["usage"]["total_tokens"]

    assert int(told(during)["remaining-tokens"]) < 1010 + come_back
    assert "limit-requests" not in told(during)
    guess = 300
    wait_for(  # by themselves they would be back after 50 s
        lambda: int(told(chat_with(gateway, key))["remaining-tokens"]) > 10_000 - guess - 10 * used, seconds=30
    )


def test_who_has_used_more_tokens_than_a_minute_has_waits_until_they_have_come_back(gateway):
    gateway.fake.dial.tokens = ("word ",) * 60
    key = limited_key(gateway, tokens_per_minute=20)

    assert chat_with(gateway, key).status_code == 200
    refused = chat_with(gateway, key)

    assert error(refused) == (429, "rate_limit_exceeded")
    assert "20 tokens a minute" in refused.json()["error"]["message"]
    wait_for(lambda: int(chat_with(gateway, key).headers["retry-after"]) > 60)


def test_a_call_that_the_server_did_not_answer_uses_no_tokens(gateway):
    key = limited_key(gateway, tokens_per_minute=1000)
    gateway.fake.dial.fail = "no_backends"
    assert chat_with(gateway, key, max_tokens=1000).status_code == 502

    gateway.fake.dial.fail = None
    wait_for(  # by themselves so many would be back after 54 s
        lambda: chat_with(gateway, key, max_tokens=900).status_code == 200, seconds=30
    )


def test_so_many_streams_run_at_the_same_time_and_one_that_ends_makes_room(gateway, call):
    row = ApiKey.objects.for_tenant(gateway.team.id).get()
    ApiKey.objects.for_tenant(gateway.team.id).filter(pk=row.pk).update(concurrent_streams=1)
    gateway.fake.dial.hang = True
    running = call(stream=True)
    held_call(gateway)
    gateway.fake.dial.hang = False

    refused = gateway.stream()
    unary = gateway.chat()
    running.close()

    assert error(refused) == (429, "rate_limit_exceeded")
    assert "1 streams at the same time" in refused.json()["error"]["message"]
    assert int(refused.headers["retry-after"]) >= 1
    assert unary.status_code == 200
    wait_for(lambda: gateway.stream().status_code == 200)


@pytest.mark.usefixtures("nothing_lapses")
def test_a_limit_that_is_set_changed_or_cleared_counts_at_once(gateway):
    acme = gateway.team
    made = acme.client.post(f"{acme.path}/api-keys", {"name": "ci", "rate_limits": {"requests_per_minute": 1}}).json()
    key, path = made["key"], f"{acme.path}/api-keys/{made['id']}"
    owner = ApiClient(headers=bearer(acme.key))
    assert [chat_with(gateway, key).status_code for _ in range(2)] == [200, 429]

    owner.patch(path, {"rate_limits": {"requests_per_minute": 1000}})
    wait_for(lambda: chat_with(gateway, key).status_code == 200)
    owner.patch(path, {"rate_limits": {"requests_per_minute": None}})

    wait_for(lambda: told(chat_with(gateway, key)) == {})


def test_browsers_may_read_the_headers(gateway):
    key = limited_key(gateway, requests_per_minute=3)

    with gateway.client(key, headers={"Origin": "https://app.example"}) as client:
        response = client.post("/v1/chat/completions", json=HELLO)

    exposed = response.headers["access-control-expose-headers"].lower()
    assert all(name in exposed for name in response.headers if name.startswith(PREFIX))


def test_a_prompt_nested_too_deep_is_the_callers_mistake_also_where_its_tokens_are_guessed(gateway):
    key = limited_key(gateway, tokens_per_minute=1000)
    deep = "[" * 1000 + "]" * 1000
    body = f'{{"model": "gpt-4", "messages": [{{"role": "user", "content": {deep}}}]}}'

    with gateway.client(key) as client:
        response = client.post("/v1/chat/completions", content=body.encode())

    assert error(response) == (400, "malformed_json")
