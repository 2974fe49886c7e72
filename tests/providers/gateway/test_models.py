"""GET /v1/models: what this key may call, and nothing else."""

import pytest

from providers.models import Provider
from tests.providers.gateway.conftest import error
from tests.providers.rows import add_model, add_provider

pytestmark = pytest.mark.django_db(transaction=True)


def names(response):
    assert response.json()["object"] == "list"
    return [model["id"] for model in response.json()["data"]]


def test_the_tenants_models_are_listed(gateway):
    response = gateway.get("models")

    assert names(response) == ["ada", "gpt-4"]
    assert {"id", "object", "created", "owned_by"} <= response.json()["data"][0].keys()


def test_switched_off_models_are_left_out(gateway):
    add_model(gateway.provider, "off", enabled=False)
    add_model(add_provider(gateway.team, gateway.fake.url, name="b"), "provider-off")
    Provider.objects.for_tenant(gateway.team.id).filter(name="b").update(enabled=False)

    assert names(gateway.get("models")) == ["ada", "gpt-4"]


def test_a_strangers_models_are_not_there(gateway, globex):
    assert names(gateway.get("models", key=globex.key)) == []


def test_a_key_sees_only_the_models_on_its_list(gateway):
    key = gateway.team.key_of(gateway.team.owner, allowed_models=frozenset({"ada"}))

    assert names(gateway.get("models", key=key)) == ["ada"]
    assert error(gateway.get("models/gpt-4", key=key)) == (404, "model_not_found")


@pytest.mark.parametrize("path", ["models/meta/llama-3:8b", "models/meta%2Fllama-3:8b"])
def test_a_name_may_hold_slashes(gateway, path):
    add_model(gateway.provider, "meta/llama-3:8b")

    assert gateway.get(path).json()["id"] == "meta/llama-3:8b"


def test_an_unknown_name_is_404(gateway):
    assert error(gateway.get("models/nothing")) == (404, "model_not_found")


def test_an_unknown_path_is_404_in_openais_shape(gateway):
    assert error(gateway.post("nothing/here", {})) == (404, "not_found")


def test_a_wrong_method_is_405_in_openais_shape(gateway):
    response = gateway.get("chat/completions")

    assert error(response) == (405, "method_not_allowed")
    assert response.headers["allow"] == "POST"


def test_a_trailing_slash_does_no_harm(gateway):
    assert names(gateway.get("models/")) == ["ada", "gpt-4"]


def test_a_call_that_came_from_ourselves_is_refused(gateway):
    with gateway.client(headers={"X-Modelyard-Hop": "1"}) as client:
        assert error(client.get("/v1/models")) == (508, "call_loop")
