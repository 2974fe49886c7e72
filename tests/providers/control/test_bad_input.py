"""Every write refuses what it does not understand, names the field, and leaves nothing half saved."""

import json

import pytest

from providers.models import Credential, DefaultModel, Discovery, ModelEntry, Provider, SealedSecret, ValidationRun
from tenants.models import AuditEvent
from tests.providers.control.conftest import add_model, provider_body, register

NUL = "a\x00b"
LONG = "x" * 100_000
KEPT = (Provider, Credential, SealedSecret, ModelEntry, DefaultModel, Discovery, ValidationRun, AuditEvent)

FORM = provider_body(name="second")
MODEL = {"name": "m2", "type": "llm"}
# operation -> method, path below the tenant, a body that is right
WRITES = {
    "create a provider": ("post", "/providers", FORM),
    "change a provider": ("patch", "/providers/{provider}", {"name": "renamed"}),
    "create a credential": ("post", "/providers/{provider}/credentials", {"name": "spare", "fields": {"api_key": "k"}}),
    "change a credential": ("patch", "/providers/{provider}/credentials/{credential}", {"name": "renamed"}),
    "rotate a credential": (
        "post",
        "/providers/{provider}/credentials/{credential}/rotate",
        {"fields": {"api_key": "k"}},
    ),
    "validate a provider": ("post", "/providers/{provider}/validations", {"level": "infer", "models": ["m"]}),
    "validate a form": ("post", "/validations", {**FORM, "level": "auth"}),
    "import models": ("post", "/providers/{provider}/model-imports", {"models": [{"upstream_name": "x"}]}),
    "create a model": ("post", "/models", {**MODEL, "provider": "{provider}"}),
    "change a model": ("patch", "/models/{model}", {"context_size": 4096}),
    "set the defaults": ("patch", "/default-models", {"llm": "{model}"}),
}
WRONG_TYPES = [None, True, 7, 1.5, "text", [], {}, ["x"], {"x": 1}, LONG, NUL, "\ud800", -1, 10**30]


@pytest.fixture
def ids(acme):
    provider = register(acme)
    model = add_model(acme, provider, "m")
    credential = acme.client.get(f"{acme.path}/providers/{provider['id']}/credentials").json()["results"][0]
    return {"provider": provider["id"], "model": model["id"], "credential": credential["id"]}


@pytest.fixture(params=list(WRITES))
def write(request, acme, ids):
    """The right body of an operation, and how to send another one."""
    method, path, body = WRITES[request.param]
    filled = json.loads(json.dumps(body).replace("{provider}", ids["provider"]).replace("{model}", ids["model"]))
    address = acme.path + path.format(**ids)

    def send(sent):
        raw = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
        return getattr(acme.client, method)(address, raw, content_type="application/json")

    return filled, send


def rows():
    return {model: sorted(model.unscoped.values_list("id", flat=True)) for model in KEPT}


def assert_refused(response, before, *, statuses=(400,)):
    assert response.status_code in statuses, response.content[:500]
    assert response["Content-Type"] == "application/problem+json"
    assert rows() == before


def test_an_unknown_field_is_named(write):
    body, send = write
    before = rows()

    response = send({**body, "surprise": 1})

    assert_refused(response, before)
    assert response.json()["code"] == "unknown_field"
    assert [error["field"] for error in response.json()["errors"]] == ["surprise"]


def test_a_value_of_a_wrong_type_is_refused_by_its_field_or_fits_after_all(write):
    body, send = write
    for name in body:
        for value in WRONG_TYPES:
            before = rows()
            response = send({**body, name: value})
            if response.status_code >= 300:
                assert_refused(response, before, statuses=(400, 409))
                fields = {error["field"].split(".")[0] for error in response.json()["errors"]}
                assert fields <= {name, "models", "all"}, (name, value, fields)


NO_JSON = [
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b"\xff\xfe",
    b'{"name": NaN}',
    b'{"name": 1e999}',
    b'{"name": "a", "name": "b"}',
    b'{"a":' * 5000 + b"1" + b"}" * 5000,
    b"[" * 100_000,
    b'{"name": ' + b"9" * 5000 + b"}",
    b'{"name": "\\u0000"}',
    b'{"na\\u0000me": 1}',
]


def test_what_is_no_usable_json_is_refused(write):
    _, send = write
    before = rows()
    for body in NO_JSON:
        assert_refused(send(body), before)


def test_deep_values_in_free_objects_are_refused(acme, ids):
    deep = value = {}
    for _ in range(40):
        value["x"] = value = {}
    before = rows()
    for path, body in (
        (f"/models/{ids['model']}", {"parameters": deep}),
        (f"/providers/{ids['provider']}", {"settings": {"extra_headers": deep}}),
    ):
        assert_refused(acme.client.patch(acme.path + path, body), before)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"settings": {"extra_headers": {"X-A": "line\r\nbreak"}}}, "settings.extra_headers.X-A"),
        ({"settings": {"extra_headers": {"X A": "x"}}}, "settings.extra_headers.X A"),
        ({"settings": {"extra_headers": {"Authorization": "x"}}}, "settings.extra_headers.Authorization"),
        ({"settings": {"extra_headers": {"X-A": 1}}}, "settings.extra_headers.X-A"),
        ({"settings": {"extra_headers": {f"X-{n}": "x" for n in range(40)}}}, "settings.extra_headers"),
        ({"settings": {"max_concurrency": 1.5}}, "settings.max_concurrency"),
        ({"settings": {"max_concurrency": True}}, "settings.max_concurrency"),
        ({"settings": {"connect_timeout_seconds": 0}}, "settings.connect_timeout_seconds"),
        ({"settings": {"total_timeout_seconds": 10**9}}, "settings.total_timeout_seconds"),
        ({"credentials": {"api_key": ["x"]}}, "credentials.api_key"),
        ({"credentials": {"api_key": "line\nbreak"}}, "credentials.api_key"),
        ({"credentials": {"api_key": " padded "}}, "credentials.api_key"),
        ({"credentials": {"api_key": "schlüssel"}}, "credentials.api_key"),
        ({"credentials": {"api_key": ""}}, "credentials.api_key"),
        ({"credentials": {"api_key": "x" * 9000}}, "credentials.api_key"),
        ({"credentials": {"x" * 300: "x"}}, "credentials." + "x" * 188),
    ],
)
def test_a_fault_inside_a_form_is_named_by_its_path_and_never_quotes_a_secret(acme, ids, body, field):
    before = rows()
    response = acme.client.patch(f"{acme.path}/providers/{ids['provider']}", body)
    assert_refused(response, before)
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert "schlüssel" not in response.content.decode()


@pytest.mark.parametrize(
    "query",
    [
        "state=sleepy",
        "kind=skynet",
        "enabled=maybe",
        "limit=0",
        "limit=1000",
        "ordering=base_url",
        "cursor=%00",
        "cursor=x",
    ],
)
def test_a_bad_query_parameter_is_named(acme, query):
    response = acme.client.get(f"{acme.path}/providers?{query}")
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("id", ["nonsense", "0192f0c1-2d3e-7f4a-8b5c-6d7e8f901234", "%00", "..", "x" * 500])
def test_an_id_that_is_none_is_the_same_404(acme, id):
    response = acme.client.get(f"{acme.path}/providers/{id}")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
