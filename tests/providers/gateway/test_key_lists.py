"""A key's lists of models and addresses bind it at every door, of both planes."""

import httpx
import pytest

from providers.models import Job, ValidationRun
from tests.factories import bearer
from tests.providers.gateway.conftest import HELLO
from tests.stack.serving import serving

pytestmark = pytest.mark.django_db(transaction=True)

CHAT = {"messages": HELLO["messages"]}


def doors(gateway):
    """A right call to each sort of door: the data plane, Django, and what is answered beside it."""
    team = gateway.team
    job = Job(tenant_id=team.id, provider=gateway.provider, model_name="gpt-4", operation="chat.completions")
    run = ValidationRun(tenant_id=team.id, provider=gateway.provider, level="models")
    return [
        ("GET", "/v1/models", None),
        ("GET", "/v1/models/gpt-4", None),
        ("POST", "/v1/chat/completions", {"model": "gpt-4", **CHAT}),
        ("POST", "/v1/chat/completions", {"model": "gpt-4", "stream": True, **CHAT}),
        ("POST", "/v1/embeddings", {"model": "ada", "input": "one"}),
        ("GET", "/api/v1/me", None),
        ("GET", f"{team.path}/providers", None),
        ("GET", f"{team.path}/usage", None),
        ("POST", f"{team.path}/jobs", {"model": "gpt-4", "operation": "chat.completions", "input": CHAT}),
        ("GET", f"{team.path}/jobs/{job.pk}/events", None),
        ("GET", f"{team.path}/providers/{gateway.provider.pk}/validations/{run.pk}/events", None),
    ]


def code_of(response):
    body = response.json()
    return body.get("code") or body["error"]["code"]


def test_from_an_address_that_is_not_on_the_list_no_door_opens(gateway):
    key = gateway.team.key_of(gateway.team.owner, allowed_cidrs=("203.0.113.0/24",))

    with gateway.client(key) as client:
        refused = {(method, path): client.request(method, path, json=body) for method, path, body in doors(gateway)}

    codes = {place: (response.status_code, code_of(response)) for place, response in refused.items()}
    assert codes == dict.fromkeys(refused, (403, "address_not_allowed"))
    assert gateway.fake.requests("/v1/chat/completions") == []
    assert not Job.unscoped.exists()


def test_a_model_that_is_not_on_the_list_is_unknown_however_it_is_asked_for(gateway):
    key = gateway.team.key_of(gateway.team.owner, allowed_models=frozenset({"ada"}))
    wanted = [
        ("/v1/chat/completions", {"model": "gpt-4", **CHAT}),
        ("/v1/completions", {"model": "gpt-4", "prompt": "Once"}),
        (f"{gateway.team.path}/jobs", {"model": "gpt-4", "operation": "chat.completions", "input": CHAT}),
        (f"{gateway.team.path}/jobs", {"model": "gpt-4", "operation": "completions", "input": {"prompt": "Once"}}),
    ]

    with gateway.client(key) as client:
        responses = [client.post(path, json=body) for path, body in wanted]
        listed = client.get("/v1/models").json()["data"]
        allowed = client.post("/v1/embeddings", json={"model": "ada", "input": "one"})

    assert [(response.status_code, code_of(response)) for response in responses] == [(404, "model_not_found")] * 4
    assert [model["id"] for model in listed] == ["ada"]
    assert allowed.status_code == 200


def test_behind_a_proxy_that_is_trusted_the_clients_own_address_counts(gateway, application):
    key = gateway.team.key_of(gateway.team.owner, allowed_cidrs=("203.0.113.0/24",))
    paths = ["/v1/models", f"{gateway.team.path}/usage", f"{gateway.team.path}/jobs/{gateway.provider.pk}/events"]

    def statuses(url, forwarded_for):
        headers = {**bearer(key), "X-Forwarded-For": forwarded_for}
        return [httpx.get(f"{url}{path}", headers=headers, timeout=60).status_code for path in paths]

    with serving(application, proxy_headers=True, forwarded_allow_ips="127.0.0.1") as (host, port):
        inside, outside = [statuses(f"http://{host}:{port}", one) for one in ("203.0.113.9", "198.51.100.7")]

    assert inside == [200, 200, 404]
    assert outside == [403, 403, 403]
    assert statuses(gateway.url, "203.0.113.9") == [403, 403, 403]  # nobody is trusted there
