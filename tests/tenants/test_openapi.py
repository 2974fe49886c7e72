"""The OpenAPI 3.1 document tells all there is, and the docs page needs no other server."""

import pytest
from django.test import Client
from openapi_spec_validator import OpenAPIV31SpecValidator

TAGS = ("me", "tenants", "members", "invitations", "api keys", "audit")


@pytest.fixture(scope="module")
def document():
    return Client().get("/api/schema/").json()


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in ("get", "post", "put", "patch", "delete"):
                yield path, method, operation


def ours(document):
    return [one for one in operations(document) if one[2]["tags"][0] in TAGS]


def test_the_document_is_valid_openapi_3_1(document):
    OpenAPIV31SpecValidator(document).validate()

    assert document["openapi"].startswith("3.1")


def test_every_operation_has_a_name_of_its_own_and_one_tag(document):
    found = [operation for _, _, operation in operations(document)]
    names = [operation["operationId"] for operation in found]

    assert len(names) == len(set(names))
    assert all(len(operation["tags"]) == 1 for operation in found)


def test_the_tenants_part_is_complete(document):
    assert {operation["operationId"] for _, _, operation in ours(document)} == {
        "me_retrieve",
        "tenants_list",
        "tenants_create",
        "tenants_retrieve",
        "tenants_update",
        "tenants_delete",
        "members_list",
        "members_create",
        "members_retrieve",
        "members_update",
        "members_delete",
        "api_keys_list",
        "api_keys_create",
        "api_keys_retrieve",
        "api_keys_update",
        "api_keys_delete",
        "api_keys_rotate",
        "invitations_list",
        "invitations_create",
        "invitations_retrieve",
        "invitations_delete",
        "invitations_accept",
        "audit_events_list",
        "audit_events_export",
    }


def test_every_operation_says_how_it_refuses(document):
    for path, method, operation in ours(document):
        refusal = operation["responses"]["default"]["content"]["application/problem+json"]
        assert refusal["schema"]["$ref"] == "#/components/schemas/Problem", (path, method)


def test_every_post_takes_an_idempotency_key(document):
    for path, method, operation in ours(document):
        names = [parameter["name"] for parameter in operation.get("parameters", [])]
        assert ("Idempotency-Key" in names) == (method == "post"), path


def test_what_is_said_of_an_operation_is_meant_for_its_caller(document):
    texts = [operation.get("description", "") for _, _, operation in ours(document)]

    assert not any("scopes" in text or "view" in text for text in texts)


def test_bodies_take_no_further_fields(document):
    schemas = document["components"]["schemas"]

    assert schemas["ApiKeyCreation"]["additionalProperties"] is False
    assert schemas["ApiKeyCreation"]["required"] == ["name"]
    assert "required" not in schemas["PatchedApiKeyChange"]


def test_enums_have_names(document):
    schemas = document["components"]["schemas"]

    assert schemas["Role"]["enum"] == ["viewer", "member", "admin", "owner"]
    assert schemas["Scope"]["enum"][0] == "infer"
    assert schemas["TenantState"]["enum"] == ["active", "suspended"]


def test_a_read_key_never_shows_itself_in_the_schema(document):
    schemas = document["components"]["schemas"]

    assert "key" not in schemas["ApiKey"]["properties"]
    assert "key" in schemas["NewApiKey"]["properties"]


def test_the_credentials_are_described(document):
    schemes = document["components"]["securitySchemes"]

    assert {scheme["type"] for scheme in schemes.values()} == {"http", "apiKey"}
    assert len(schemes) == 3


def test_the_document_also_comes_as_yaml(client):
    answer = client.get("/api/schema/", headers={"Accept": "application/vnd.oai.openapi"})

    assert answer.content.startswith(b"openapi: 3.1")


def test_the_docs_page_fetches_nothing_from_elsewhere_and_holds_no_inline_script(client):
    page = client.get("/api/docs/").content.decode()

    assert "//cdn" not in page
    assert "https://" not in page
    assert all("src=" in tag for tag in page.split("<script")[1:])
    assert "SwaggerUIBundle" in client.get("/api/docs/?script=").content.decode()
