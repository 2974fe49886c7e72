"""One process, two planes: who answers what, behind a real server with its lifespan."""

from __future__ import annotations

import httpx
import pytest

from tests.stack.serving import serving

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def http(settings, redis_url):
    from config.asgi import application

    settings.REDIS_URL = redis_url
    with serving(application) as (host, port), httpx.Client(base_url=f"http://{host}:{port}", timeout=30) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/api/v1/nowhere", "application/problem+json"),
        ("/v1/nowhere", "application/json"),
        ("/static/nowhere.css", "application/problem+json"),
    ],
)
def test_each_plane_says_404_in_its_own_words(http, path, media_type):
    answer = http.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith(media_type)
    assert answer.headers["x-request-id"]


def test_static_files_come_without_being_collected_and_are_kept_for_a_while(http):
    answer = http.get("/static/admin/css/base.css")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert http.get("/static/admin/css/base.css", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304


def test_django_and_the_data_plane_tell_the_same_request_id(http):
    for path in ("/api/v1/me", "/v1/models"):
        assert http.get(path, headers={"X-Request-Id": "my-request-1"}).headers["x-request-id"] == "my-request-1"


def test_a_browser_may_ask_the_data_plane_from_any_origin(http):
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    answer = http.options("/v1/chat/completions", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"


def test_a_client_cannot_say_where_it_comes_from_or_that_it_is_secure(http, settings):
    settings.HTTPS_ONLY = True
    answer = http.get("/api/v1/me", headers={"X-Forwarded-Proto": "https", "X_Forwarded_Proto": "https"})
    assert answer.json()["code"] == "https_required"


def test_it_is_ready_while_it_serves(http):
    answer = http.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
