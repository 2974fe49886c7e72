"""What a server's error means: whose fault, which code, how long to wait."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.errors import CallerError, UpstreamError
from providers.upstream.wire import classify_error, parse_retry_after
from tests.fakes.localai_failures import FAILURES, unknown_model


def classified(status, body=b"", headers=None):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return classify_error(status, headers or {"content-type": "application/json"}, content, "localai")


LOCALAI = {
    "backend_not_found": "backend_not_installed",
    "no_backends": "backend_not_installed",
    "no_backend_with_name": "backend_not_installed",
    "grpc_not_ready": "backend_start_failed",
    "backend_exited": "backend_start_failed",
    "inner_refused": "backend_crashed",
    "backend_eof": "backend_crashed",
    "cuda_out_of_memory": "backend_crashed",
    "out_of_memory": "backend_crashed",
    "cancelled_by_watchdog": "backend_crashed",
    "every_backend_failed": "model_file_unusable",
    "cooldown": "overloaded",
    "admission": "overloaded",
    "capacity": "overloaded",
    "quota": "overloaded",
    "model_loading": "model_loading",
    "model_disabled": "permission_denied",
    "access_denied": "permission_denied",
    "admin_required": "permission_denied",
    "alias_target_missing": "model_not_found",
    "context_overflow": "context_length_exceeded",
    "context_overflow_413": "context_length_exceeded",
    "invalid_pitch": "context_length_exceeded",
    "predict_on_embedding_model": "model_type_mismatch",
    "unimplemented": "model_type_mismatch",
    "bad_judgement": "bad_response",
    "opaque": "bad_response",
}


@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize("style", ["as_version", "int", "string", "absent"])
def test_localais_words_are_known_however_its_code_is_written(name, style):
    failure = FAILURES[name]

    error = classified(failure.status, failure.body(style), failure.headers)

    assert error.code == LOCALAI[name]
    assert error.evidence["status"] == failure.status
    assert error.retry_after_seconds == (float(failure.retry_after) if failure.retry_after else None)


ANSWERS = {
    "localai unknown model": (404, unknown_model("gpt-5").body(), "model_not_found"),
    "localai unknown path": (
        404,
        {"error": {"code": 404, "message": "Resource not found", "type": ""}},
        "path_not_found",
    ),
    "localai missing key": (
        401,
        {"error": {"code": 401, "message": "An authentication key is required", "type": "invalid_request_error"}},
        "auth_failed",
    ),
    "localai 1.24 wrong key": (401, {"message": "Invalid API key"}, "auth_failed"),
    "localai 2 refusal as 403": (403, b"missing or malformed API Key", "auth_failed"),
    "localai 2 refusal as text": (401, b"missing or malformed API Key", "auth_failed"),
    "localai rerank bare string": (422, b'"top_n must be at least 1"', "invalid_request"),
    "localai bad body": (
        400,
        {"error": {"code": 400, "message": "code=400, message=failed parsing request body: EOF", "type": ""}},
        "invalid_request",
    ),
    "localai body limit": (
        413,
        {"error": {"code": 413, "message": "code=413, message=Request Entity Too Large"}},
        "body_too_large",
    ),
    "localai starting": (503, {"status": "starting", "reason": "startup preload in progress"}, "model_loading"),
    "opaque 401": (401, b"", "auth_failed"),
    "opaque 403": (403, b"", "permission_denied"),
    "opaque 404": (404, b"", "path_not_found"),
    "opaque 500": (500, b"", "bad_response"),
    "opaque 503": (503, b"", "overloaded"),
    "llama.cpp loading": (
        503,
        {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}},
        "model_loading",
    ),
    "llama.cpp context": (
        400,
        {"error": {"message": "too long", "type": "exceed_context_size_error", "n_prompt_tokens": 900, "n_ctx": 512}},
        "context_length_exceeded",
    ),
    "llama.cpp batch": (
        500,
        {"error": {"message": "input (600 tokens) is too large to process. increase the batch size: 512"}},
        "context_length_exceeded",
    ),
    "openai unknown model": (
        404,
        {"error": {"message": "The model `gpt-9` does not exist", "code": "model_not_found", "param": None}},
        "model_not_found",
    ),
    "openai wrong key": (
        401,
        {"error": {"message": "Incorrect API key provided: sk-…", "code": "invalid_api_key"}},
        "auth_failed",
    ),
    "openai context": (
        400,
        {
            "error": {
                "message": "This model's maximum context length is 8192 tokens.",
                "code": "context_length_exceeded",
            }
        },
        "context_length_exceeded",
    ),
    "openai quota": (
        429,
        {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}},
        "overloaded",
    ),
    "openai bad parameter": (
        400,
        {"error": {"message": "Invalid value for 'temperature'", "type": "invalid_request_error"}},
        "invalid_request",
    ),
    "vllm unknown model": (
        404,
        {"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404},
        "model_not_found",
    ),
    "vllm context": (
        400,
        {
            "object": "error",
            "message": "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens",
        },
        "context_length_exceeded",
    ),
    "ollama unknown model": (404, {"error": "model 'x' not found"}, "model_not_found"),
    "xinference unknown uid": (400, {"detail": "Model not found in the model list, uid: x"}, "model_not_found"),
    "xinference not ready": (409, {"detail": "Model is still launching"}, "model_loading"),
    "xinference wrong type": (
        400,
        {"detail": "[address=0.0.0.0:1, pid=1] Model x is not for creating embeddings."},
        "model_type_mismatch",
    ),
    "xinference unknown path": (404, {"detail": "Not Found"}, "path_not_found"),
    "xinference key": (401, {"detail": "Could not validate credentials"}, "auth_failed"),
    "fastapi faults": (422, {"detail": [{"loc": ["body"], "msg": "field required"}]}, "invalid_request"),
    "anthropic": (529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "overloaded"),
    "method": (405, b"Method Not Allowed", "path_not_found"),
    "not json": (500, b"\xff\xfe panic", "bad_response"),
    "json array": (500, b"[1,2]", "bad_response"),
    "gateway behind a gateway": (502, {"error": "upstream connect error"}, "bad_response"),
}


@pytest.mark.parametrize(("status", "body", "code"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_is_told_apart(status, body, code):
    assert classified(status, body).code == code


@pytest.mark.parametrize(
    ("status", "page", "code"),
    [
        (404, "<html>404 page not found</html>", "web_page_not_api"),
        (403, "<!DOCTYPE html><title>Sign in</title>", "web_page_not_api"),
        (503, "<html>Sorry, waiting for nodes to connect</html>", "web_page_not_api"),
        (502, "<html><h1>502 Bad Gateway</h1>nginx</html>", "overloaded"),
        (504, "<html><h1>504 Gateway Time-out</h1></html>", "overloaded"),
        (413, "<html>413 Request Entity Too Large</html>", "body_too_large"),
        (401, "<html>401 Authorization Required</html>", "auth_failed"),
    ],
)
def test_a_page_in_place_of_json_is_told_by_its_status(status, page, code):
    assert classified(status, page.encode(), {"Content-Type": "text/html"}).code == code
    assert classified(status, page.encode(), {}).code == code


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_error_and_its_goal_is_not_shown(status):
    error = classified(status, headers={"Location": "http://169.254.169.254/"})

    assert error.code == "web_page_not_api"
    assert "169.254" not in repr(error) + json.dumps(error.evidence)


def test_a_context_overflow_tells_its_figures():
    error = classified(500, FAILURES["context_overflow"].body())

    assert error.evidence["requested_tokens"] == 20652
    assert error.evidence["context_size"] == 8192
    assert isinstance(error, CallerError)


def test_llama_cpps_figures_stand_beside_the_words():
    error = classified(*ANSWERS["llama.cpp context"][:2])

    assert (error.evidence["requested_tokens"], error.evidence["context_size"]) == (900, 512)


def test_a_load_under_way_tells_how_far_it_is():
    assert classified(503, FAILURES["model_loading"].body()).evidence["progress"] == 0.4


@pytest.mark.parametrize("name", ["opaque"])
def test_a_failure_in_unknown_words_is_the_providers_error_on_the_data_plane(name):
    error = classified(500, FAILURES[name].body())

    assert (error.code, error.data_plane_code) == ("bad_response", "provider_error")
    assert isinstance(error, UpstreamError)


def test_a_long_message_is_cut_and_kept_on_one_line():
    error = classified(500, FAILURES["every_backend_failed"].body())

    assert len(error.message) < 400
    assert "\n" not in classified(500, b"one\ntwo\x00three").message


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("10", 10.0),
        ("1.5", 1.5),
        (" 3 ", 3.0),
        ("0", 0.0),
        ("999999999", 3600.0),
        ("9" * 400, None),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1e999", None),
        ("nan", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(said, seconds):
    now = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)

    assert parse_retry_after({"retry-after": said}, now=now) == seconds


@given(status=st.integers(300, 599), body=st.binary(max_size=200))
def test_no_answer_whatever_breaks_the_reading(status, body):
    assert classified(status, body).code


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "code", "message", "detail", "type"]), inner)
    ),
)


@given(status=st.integers(300, 599), body=JSON)
def test_no_json_whatever_breaks_the_reading(status, body):
    assert classified(status, body).code
