"""Pages of other origins may call the control plane where the operator named their origin."""

import pytest

pytestmark = pytest.mark.django_db

ORIGIN = "https://app.acme.example"
WANTED = ["authorization", "content-type", "idempotency-key", "if-match", "last-event-id", "x-session-token"]


def preflight(client, path, origin=ORIGIN, method="POST"):
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": ",".join(WANTED),
    }
    return client.options(path, headers=asked)


@pytest.fixture(autouse=True)
def one_origin(settings):
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]


@pytest.mark.parametrize("path", ["/api/v1/me", "/api/v1/tenants/acme/api-keys", "/_allauth/app/v1/auth/login"])
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_a_preflight_of_a_named_origin_needs_no_credential(client, path, method):
    answer = preflight(client, path, method=method)

    allowed = [name.strip() for name in answer.headers["Access-Control-Allow-Headers"].split(",")]
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert method in answer.headers["Access-Control-Allow-Methods"]
    assert set(WANTED) <= set(allowed)


def test_an_event_stream_and_a_job_submit_are_preflighted_here_too(client):
    for path in ("/api/v1/tenants/acme/jobs", "/api/v1/tenants/acme/jobs/1/events"):
        assert preflight(client, path).headers["Access-Control-Allow-Origin"] == ORIGIN


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://app.acme.example", "https://app.acme.example.evil.example", "null"]
)
def test_another_origin_is_not_let_in(client, origin):
    assert "Access-Control-Allow-Origin" not in preflight(client, "/api/v1/me", origin).headers


def test_an_answer_shows_its_headers_to_a_named_origin_also_when_it_is_a_refusal(acme, client):
    seen = acme.client.get(acme.path, headers={"Origin": ORIGIN})
    refused = client.get("/api/v1/me", headers={"Origin": ORIGIN})

    for answer in (seen, refused):
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        for name in ("etag", "location", "x-request-id", "retry-after", "idempotent-replayed"):
            assert name in answer.headers["Access-Control-Expose-Headers"]


def test_no_origin_is_let_in_by_default(client, settings):
    settings.CORS_ALLOWED_ORIGINS = []

    assert "Access-Control-Allow-Origin" not in preflight(client, "/api/v1/me").headers


def test_the_admin_is_not_for_other_origins(client):
    assert "Access-Control-Allow-Origin" not in client.get("/admin/login/", headers={"Origin": ORIGIN}).headers
