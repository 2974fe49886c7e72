"""What must not reach the database, or would choke a parser, is refused with the field's name; never a 500."""

import gzip
import json

import pytest

from tenants.models import ApiKey

pytestmark = pytest.mark.django_db


def send(acme, raw, content_type="application/json", **headers):
    body = raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw
    return acme.client.generic("POST", f"{acme.path}/api-keys", body, content_type, headers=headers)


DEEP = 100_000

TRAPS = {
    "nothing but a word": "hello",
    "cut": '{"name": "a"',
    "two objects": '{"name": "a"}{"name": "b"}',
    "trailing comma": '{"name": "a",}',
    "single quotes": "{'name': 'a'}",
    "NaN": '{"name": NaN}',
    "Infinity": '{"name": -Infinity}',
    "a name twice": '{"name": "a", "name": "b"}',
    "a name twice, deeper": '{"name": {"x": 1, "x": 2}}',
    "5,000 digits": '{"name": %s}' % ("9" * 5000),
    "deep lists": '{"name": %s}' % ("[" * DEEP + "]" * DEEP),
    "deep objects": '{"a":' * DEEP + "1" + "}" * DEEP,
    "33 levels": "[" * 33 + "]" * 33,
    "byte order mark": "\ufeff" + '{"name": "a"}',
    "raw NUL": '{"name": "a\x00"}',
    "not UTF-8": b'{"name": "\xff\xfe"}',
    "UTF-16": '{"name": "a"}'.encode("utf-16"),
    "a raw surrogate": b'{"name": "\xed\xa0\x80"}',
}


@pytest.mark.parametrize("trap", TRAPS)
def test_what_is_not_plain_json_is_malformed(acme, trap):
    answer = send(acme, TRAPS[trap])

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")
    assert answer.headers["Content-Type"] == "application/problem+json"


FAULTS = {
    "an escaped NUL": ('{"name": "a\\u0000b"}', "name", "null_character"),
    "a NUL deeper": ('{"name": "a", "allowed_models": ["ok", "\\u0000"]}', "allowed_models.1", "null_character"),
    "half a surrogate pair": ('{"name": "\\ud800"}', "name", "lone_surrogate"),
    "1e309": ('{"name": 1e309}', "name", "number_too_large"),
    "above 64 bits": ('{"name": 9223372036854775808}', "name", "number_too_large"),
    "a NUL in a name": ('{"na\\u0000me": 1}', "", "null_character"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_no_column_holds_is_refused_by_field(acme, fault):
    raw, field, code = FAULTS[fault]
    answer = send(acme, raw)

    assert answer.status_code == 400
    assert (answer.json()["errors"][0]["field"], answer.json()["errors"][0]["code"]) == (field, code)


@pytest.mark.parametrize("raw", ["[]", '"text"', "5", "null", "true", '[{"name": "a"}]'])
def test_json_that_is_no_object_is_refused(acme, raw):
    answer = send(acme, raw)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


def test_no_body_names_what_is_missing(acme):
    answer = send(acme, "")

    assert answer.status_code == 400
    assert answer.json()["errors"] == [{"field": "name", "code": "required", "message": "This field is required."}]


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml", "", "x"],
)
def test_other_media_types_are_415(acme, content_type):
    answer = send(acme, '{"name": "a"}', content_type)

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_a_compressed_body_is_415(acme):
    answer = send(acme, gzip.compress(b'{"name": "a"}'), **{"Content-Encoding": "gzip"})

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_a_body_above_the_limit_is_413(acme, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000

    answer = send(acme, json.dumps({"name": "a" * 1000}))

    assert (answer.status_code, answer.json()["code"]) == (413, "request_too_large")


def test_several_faults_are_all_named_and_the_unknown_field_gives_the_code(acme):
    answer = send(acme, '{"name": 5, "scopes": ["root"], "colour": "red"}')
    both = send(acme, '{"name": 5, "scopes": ["root"]}')

    assert answer.json()["code"] == "unknown_field"
    assert {error["field"] for error in both.json()["errors"]} == {"name", "scopes.0"}


def test_nothing_is_half_saved(acme):
    for raw in TRAPS.values():
        send(acme, raw)

    assert ApiKey.unscoped.count() == 1


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
def test_a_method_that_is_not_there_is_405_with_those_that_are(acme, method):
    answer = acme.client.generic(method, f"{acme.path}/api-keys")

    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/v1", "/api/v1/nope", "/api/v2/me", "/api/v1/me/", "/nope"])
def test_an_address_that_is_not_there_is_a_problem_too(db, client, path):
    answer = client.get(path)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_an_error_of_ours_is_a_problem_without_its_cause(acme, settings):
    settings.KEYRING = "lost:"
    client = acme.client
    client.raise_request_exception = False

    answer = client.post(f"{acme.path}/api-keys", {"name": "ci"}, headers={"Idempotency-Key": "1"})

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "lost" not in answer.content.decode()
    assert ApiKey.unscoped.count() == 1


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0.1", "image/png", "*/*", "nonsense"])
def test_the_answer_is_json_whatever_is_accepted(acme, accept):
    answer = acme.client.get(acme.path, headers={"Accept": accept})

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"


def test_every_answer_carries_a_request_id(acme, client):
    for answer in (acme.client.get(acme.path), client.get("/api/v1/me"), client.get("/nope")):
        assert len(answer.headers["X-Request-Id"]) >= 8


def test_a_harmless_request_id_of_the_caller_is_kept_and_put_into_the_problem(client, db):
    answer = client.get("/api/v1/me", headers={"X-Request-Id": "trace-0123.456_A"})

    assert answer.headers["X-Request-Id"] == answer.json()["request_id"] == "trace-0123.456_A"


@pytest.mark.parametrize("offered", ["short", "x" * 65, "with space", "line\x1fbreak", "ümlaut-ümlaut"], ids=ascii)
def test_another_is_replaced(client, db, offered):
    assert client.get("/api/v1/me", headers={"X-Request-Id": offered}).json()["request_id"] != offered
