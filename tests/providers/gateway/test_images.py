"""POST /v1/images/generations: images come inside the answer."""

import base64

import orjson
import pytest

from tests.providers.gateway.conftest import error
from tests.providers.rows import add_model, add_provider

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

PATH = "/v1/images/generations"


@pytest.fixture
def draw(gateway):
    gateway.fake.add("stablediffusion", "image")
    add_model(gateway.provider, "painter", type="image", upstream_name="stablediffusion")
    asked = {"model": "painter", "prompt": "A lighthouse at dusk"}
    return lambda **fields: gateway.post("images/generations", {**asked, **fields})


def test_images_come_as_base64_also_where_nobody_asked_for_that(gateway, draw):
    body = draw(n=2).json()

    assert [base64.b64decode(image["b64_json"])[1:4] for image in body["data"]] == [b"PNG", b"PNG"]
    assert body["created"] > 0
    assert gateway.sent(PATH)["response_format"] == "b64_json"
    used = gateway.used()
    assert (used.operation, used.outcome, used.is_estimated) == ("images.generations", "succeeded", True)


def test_all_that_was_written_reaches_the_server_and_only_the_model_is_renamed(gateway, draw):
    draw(size="256x256", step=15, response_format="b64_json", seed=7)

    assert gateway.sent(PATH) == {
        "model": "stablediffusion",
        "prompt": "A lighthouse at dusk",
        "size": "256x256",
        "step": 15,
        "seed": 7,
        "response_format": "b64_json",
    }


def test_what_cannot_be_drawn_or_sent_is_400(draw):
    for wrong in (
        {"prompt": None},
        {"prompt": ""},
        {"prompt": ["a", "b"]},
        {"n": 0},
        {"n": "two"},
        {"response_format": "url"},
        {"response_format": {}},
        {"stream": True},
    ):
        response = draw(**wrong)

        assert error(response) == (400, "invalid_request"), wrong
        assert response.json()["error"]["param"] == next(iter(wrong))


def test_an_address_at_the_server_is_no_image_and_is_not_told(gateway, draw):
    gateway.fake.dial.images_by_url = True

    response = draw()

    assert error(response) == (502, "provider_bad_response")
    assert "generated-images" not in response.text


def test_an_answer_may_be_larger_than_other_answers_but_not_without_end(gateway, draw, settings):
    image = "A" * (9 * 2**20)
    answer = orjson.dumps({"created": 1, "data": [{"url": None, "b64_json": image}]})
    gateway.fake.dial.raw_answer = (200, "application/json", answer)

    assert draw().content == answer

    settings.GATEWAY_IMAGES_MAX_BYTES = 8 * 2**20
    assert error(draw()) == (502, "provider_bad_response")


def test_openais_own_image_models_are_not_asked_for_what_they_refuse_to_be_asked_for(gateway):
    hosted = add_provider(gateway.team, gateway.fake.url, name="hosted", kind="openai_compatible", max_concurrency=None)
    for name in ("gpt-image-1", "dall-e-3"):
        gateway.fake.add(name, "image")
        add_model(hosted, name, type="image")
        gateway.post("images/generations", {"model": name, "prompt": "A lighthouse"})

    asked = [request.json.get("response_format") for request in gateway.fake.requests(PATH)]
    assert asked == [None, "b64_json"]
