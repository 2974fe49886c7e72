"""From what a person typed to the URL and the headers of a call."""

from __future__ import annotations

import pytest

from providers.errors import CallerError
from providers.kinds import KINDS
from providers.upstream.egress import check_base_url


@pytest.mark.parametrize(
    "typed",
    [
        "http://gpu-box:8080",
        "http://gpu-box:8080/",
        "http://GPU-BOX:8080/v1",
        "http://gpu-box:8080/v1/",
        "http://gpu-box:8080/v1/v1",
        "http://gpu-box:8080/v1/models",
        "http://gpu-box:8080/v1/chat/completions",
        "http://gpu-box:8080/chat/completions",
        "http://gpu-box:8080/app",
        "http://gpu-box:8080/swagger/index.html",
    ],
)
def test_whatever_page_of_localai_was_pasted_its_root_is_stored(typed: str) -> None:
    assert KINDS["localai"].normalise_base_url(check_base_url(typed)) == "http://gpu-box:8080"


def test_the_prefix_of_a_reverse_proxy_stays() -> None:
    typed = "https://models.example.com/localai/v1"

    assert KINDS["localai"].normalise_base_url(check_base_url(typed)) == "https://models.example.com/localai"


def test_xinferences_own_pages_are_taken_off() -> None:
    assert KINDS["xinference"].normalise_base_url("http://gpu-box:9997/ui") == "http://gpu-box:9997"


def test_a_key_is_sent_as_bearer_and_none_as_nothing() -> None:
    for kind in KINDS.values():
        assert kind.auth_headers({"api_key": "k-1"}) == {"Authorization": "Bearer k-1"}
        assert kind.auth_headers({}) == {}


def test_localais_admin_calls_take_the_admin_key_and_else_the_only_one() -> None:
    kind = KINDS["localai"]

    assert kind.auth_headers({"api_key": "k", "admin_api_key": "a"}, "admin") == {"Authorization": "Bearer a"}
    assert kind.auth_headers({"api_key": "k"}, "admin") == {"Authorization": "Bearer k"}


def test_the_admin_key_is_never_sent_with_inference() -> None:
    assert KINDS["localai"].auth_headers({"admin_api_key": "a"}, "inference") == {}


def test_the_other_kinds_have_no_admin_calls() -> None:
    assert KINDS["xinference"].auth_headers({"api_key": "k"}, "admin") == {}


def test_operations_live_below_v1() -> None:
    assert KINDS["localai"].path("chat.completions") == "/v1/chat/completions"
    assert KINDS["localai"].path("rerank") == "/v1/rerank"


def test_an_operation_that_a_kind_lacks_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(CallerError) as refused:
        KINDS["xinference"].path("moderations")

    assert refused.value.code == "operation_not_available"
