"""What a model server says is stored and shown, and can do no harm: a database refuses what JSON may carry."""

import pytest

from tests.providers.control.conftest import register

pytestmark = pytest.mark.django_db(transaction=True)


def test_text_that_no_database_takes_is_stored_without_it(acme, fake, work):
    fake.dial.version = "v4.9.0\x00\ud800"
    provider = register(acme, fake.url)

    work()

    shown = acme.client.get(f"{acme.path}/providers/{provider['id']}").json()
    assert (shown["state"], shown["server"]["product"]) == ("healthy", "LocalAI")


def test_figures_that_no_column_takes_are_not_known(acme, fake, work):
    fake.models["gpt-3.5-turbo"].context_size = 10**15
    provider = register(acme, fake.url)
    work()

    path = f"{acme.path}/providers/{provider['id']}"
    done = acme.client.post(f"{path}/model-imports", {"models": [{"upstream_name": "gpt-3.5-turbo"}]})

    assert done.status_code == 200
    assert [row["context_size"] for row in done.json()["created"]] == [None]


def test_thousands_of_models_are_listed_and_imported_in_one_go(acme, fake, work):
    listing = [{"id": f"model-{number:04}", "object": "model"} for number in range(6000)]
    fake.dial.listing = {"object": "list", "data": listing}
    provider = register(acme, fake.url)
    work()

    path = f"{acme.path}/providers/{provider['id']}"
    assert len(acme.client.get(f"{path}/discovered-models").json()["models"]) == 5000
    done = acme.client.post(f"{path}/model-imports", {"all": True}).json()
    assert {row["code"] for row in done["skipped"]} == {"type_unknown"}
