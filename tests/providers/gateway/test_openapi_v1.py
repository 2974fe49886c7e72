"""/v1 stands in the OpenAPI document, word for word as it is routed."""

import pytest

from providers.gateway.v1 import ENDPOINTS
from tests.providers.gateway.conftest import HELLO

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


@pytest.fixture
def document(gateway):
    with gateway.client() as client:
        return client.get("/api/schema/", headers={"Accept": "application/json"}).json()


def test_every_route_is_in_the_document(document):
    documented = {
        path.removeprefix("/v1/"): {method.upper() for method in item}
        for path, item in document["paths"].items()
        if path.startswith("/v1/") and "{" not in path
    }

    assert documented == {path: set(methods) for path, methods in ENDPOINTS.items()}


def test_an_answer_has_all_that_the_document_promises(gateway, document):
    promised = document["components"]["schemas"]["ChatCompletion"]["required"]

    assert set(promised) <= gateway.post("chat/completions", HELLO).json().keys()
