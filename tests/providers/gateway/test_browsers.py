"""/v1 from a page of any origin, without credentials of the browser's."""

import pytest

from tests.providers.gateway.conftest import HELLO, NO_KEY

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

PAGE = {"Origin": "https://app.example"}


def test_a_preflight_is_answered(gateway):
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    with gateway.client(NO_KEY) as client:
        response = client.options("/v1/chat/completions", headers={**PAGE, **asked})

    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == "*"
    assert "authorization" in response.headers["access-control-allow-headers"]


@pytest.mark.parametrize("streamed", [False, True], ids=["unary", "stream"])
def test_an_answer_may_be_read(gateway, streamed):
    with gateway.client(headers=PAGE) as client:
        response = client.post("/v1/chat/completions", json={**HELLO, "stream": streamed})

    assert response.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in response.headers
    assert "x-request-id" in response.headers["access-control-expose-headers"].lower()


def test_an_error_may_be_read_too(gateway):
    with gateway.client(NO_KEY, headers=PAGE) as client:
        response = client.get("/v1/models")

    assert response.status_code == 401
    assert response.headers["access-control-allow-origin"] == "*"
