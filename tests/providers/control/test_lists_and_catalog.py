"""Lists call no model server and few queries; the catalog is cached by its ETag; a POST repeated is done once."""

import jsonschema
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from providers.kinds import KINDS
from providers.models import Provider
from tests.providers.control.conftest import KEY, add_model, provider_body, register

MOST_QUERIES = 6


def test_fifty_providers_take_no_more_queries_than_one(acme):
    for number in range(50):
        made = register(acme, name=f"box-{number:02}", credentials={"api_key": KEY})
        if number % 2:
            add_model(acme, made, f"model-{number}", enabled=number % 4 == 1)

    with CaptureQueriesContext(
        connection,
    ) as queries:
        page = acme.client.get(f"{acme.path}/providers").json()

    assert len(page["results"]) == 50
    assert len(queries) <= MOST_QUERIES, [query["sql"][:120] for query in queries]
    by_name = {row["name"]: row for row in page["results"]}
    assert by_name["box-01"]["model_counts"] == {"enabled": 1, "total": 1}
    assert by_name["box-03"]["model_counts"] == {"enabled": 0, "total": 1}
    assert by_name["box-02"]["last_validation"]["state"] == "queued"


@pytest.mark.parametrize("resource", ["models", "providers/{}/validations", "providers/{}/credentials"])
def test_other_lists_keep_to_the_same_bound(acme, resource):
    provider = register(acme, credentials={"api_key": KEY})
    for number in range(20):
        add_model(acme, provider, f"model-{number}")
        acme.client.post(f"{acme.path}/providers/{provider['id']}/validations")
        spare = {"name": f"spare-{number}", "fields": {"api_key": KEY}}
        acme.client.post(f"{acme.path}/providers/{provider['id']}/credentials", spare)

    with CaptureQueriesContext(connection) as queries:
        page = acme.client.get(f"{acme.path}/{resource.format(provider['id'])}").json()

    assert len(page["results"]) >= 20
    assert len(queries) <= MOST_QUERIES


def test_pages_follow_each_other_without_loss(acme):
    made = {register(acme, name=f"box-{number}")["id"] for number in range(7)}
    seen, address = [], f"{acme.path}/providers?limit=3&ordering=name"
    while address:
        page = acme.client.get(address).json()
        seen += [row["id"] for row in page["results"]]
        address = page["next"]
    assert len(seen) == 7
    assert set(seen) == made


def test_providers_are_filtered(acme):
    register(acme, name="one")
    register(acme, name="two", kind="openai_compatible")
    Provider.objects.for_tenant(acme.id).filter(name="one").update(state="healthy")

    def names(query):
        return [row["name"] for row in acme.client.get(f"{acme.path}/providers?{query}").json()["results"]]

    assert names("state=healthy,degraded") == ["one"]
    assert names("kind=openai_compatible") == ["two"]
    assert names("search=TW") == ["two"]


def test_a_repeated_create_gives_the_first_answer_and_one_provider(acme):
    headers = {"Idempotency-Key": "the-same-click"}
    body = provider_body(credentials={"api_key": KEY})

    first = acme.client.post(f"{acme.path}/providers", body, headers=headers)
    again = acme.client.post(f"{acme.path}/providers", body, headers=headers)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again["Idempotent-Replayed"] == "true"
    assert (again.json(), again["Location"]) == (first.json(), first["Location"])
    assert Provider.objects.for_tenant(acme.id).count() == 1


# --- The catalog ---


def test_the_catalog_lists_every_kind_with_usable_schemas(acme):
    kinds = acme.client.get("/api/v1/provider-kinds").json()["results"]

    assert [kind["kind"] for kind in kinds] == ["localai", "xinference", "openai_compatible"]
    for kind in kinds:
        for schema in (kind["credential_schema"], kind["settings_schema"]):
            jsonschema.Draft202012Validator.check_schema(schema)
        one = acme.client.get(f"/api/v1/provider-kinds/{kind['kind']}").json()
        assert one == kind


def test_the_catalogs_own_defaults_are_accepted(acme):
    for kind in KINDS:
        schema = acme.client.get(f"/api/v1/provider-kinds/{kind}").json()["settings_schema"]
        settings = {name: facts["default"] for name, facts in schema["properties"].items()}
        made = register(acme, name=kind, kind=kind, settings=settings)
        assert made["settings"] == settings


def test_the_catalog_is_not_sent_twice(acme):
    first = acme.client.get("/api/v1/provider-kinds")
    again = acme.client.get("/api/v1/provider-kinds", headers={"If-None-Match": first["ETag"]})
    changed = acme.client.get("/api/v1/provider-kinds", headers={"If-None-Match": '"old"'})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert changed.status_code == 200


def test_the_catalog_is_for_those_who_are_known(client):
    assert client.get("/api/v1/provider-kinds").status_code == 401


def test_an_unknown_kind_is_not_found(acme):
    assert acme.client.get("/api/v1/provider-kinds/skynet").status_code == 404
