"""The forms a frontend draws from GET /provider-kinds: JSON Schema 2020-12 plus how to lay it out."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from providers.kinds import KINDS, Kind


def every_kind() -> Any:
    return pytest.mark.parametrize("kind", list(KINDS.values()), ids=list(KINDS))


def test_the_kinds_are_localai_xinference_and_openai_compatible() -> None:
    assert list(KINDS) == ["localai", "xinference", "openai_compatible"]


@every_kind()
def test_the_entry_holds_what_the_catalog_promises(kind: Kind) -> None:
    assert set(kind.as_json()) == {
        "kind",
        "label",
        "description",
        "model_types",
        "credential_schema",
        "settings_schema",
        "ui",
        "docs_url",
    }


@every_kind()
def test_the_schemas_are_valid_and_refuse_what_they_do_not_know(kind: Kind) -> None:
    for schema in (kind.credential_schema, kind.settings_schema):
        Draft202012Validator.check_schema(schema)
        assert not Draft202012Validator(schema).is_valid({"surprise": 1})


@every_kind()
def test_the_default_settings_pass_their_own_schema(kind: Kind) -> None:
    assert Draft202012Validator(kind.settings_schema).is_valid(kind.default_settings())


def test_localai_takes_four_requests_at_once_and_the_others_name_no_figure() -> None:
    figures = {name: kind.default_settings()["max_concurrency"] for name, kind in KINDS.items()}

    assert figures == {"localai": 4, "xinference": None, "openai_compatible": None}


def test_the_defaults_are_those_of_the_contract() -> None:
    assert KINDS["localai"].default_settings() == {
        "connect_timeout_seconds": 5,
        "first_token_timeout_seconds": 300,
        "idle_timeout_seconds": 60,
        "total_timeout_seconds": 1800,
        "max_concurrency": 4,
        "verify_tls": True,
        "extra_headers": {},
    }


@pytest.mark.parametrize(
    "settings",
    [
        {"connect_timeout_seconds": 0},
        {"connect_timeout_seconds": 61},
        {"total_timeout_seconds": "1800"},
        {"max_concurrency": 0},
        {"max_concurrency": 2.5},
        {"verify_tls": "no"},
        {"extra_headers": {"X-Team": 7}},
        {"extra_headers": {f"X-{number}": "1" for number in range(33)}},
    ],
    ids=str,
)
def test_a_setting_out_of_its_bounds_is_refused(settings: dict[str, Any]) -> None:
    assert not Draft202012Validator(KINDS["localai"].settings_schema).is_valid(settings)


def test_null_means_no_figure_of_its_own() -> None:
    assert Draft202012Validator(KINDS["localai"].settings_schema).is_valid({"max_concurrency": None})


def test_every_secret_is_write_only() -> None:
    for kind in KINDS.values():
        for facts in kind.credential_schema["properties"].values():
            assert facts["writeOnly"] is True
            assert facts["format"] == "password"


def test_localai_has_a_key_for_inference_and_one_for_administration_and_needs_neither() -> None:
    schema = KINDS["localai"].credential_schema

    assert list(schema["properties"]) == ["api_key", "admin_api_key"]
    assert schema["required"] == []


@every_kind()
def test_every_field_of_the_form_has_a_place_and_a_label(kind: Kind) -> None:
    layout = kind.ui
    fields = ["name", "base_url", *(f"credentials.{name}" for name in kind.credential_schema["properties"])]
    fields += [f"settings.{name}" for name in kind.settings_schema["properties"]]

    assert layout["order"] == fields
    assert set(layout["labels"]) == set(fields)


@every_kind()
def test_the_form_warns_that_localhost_is_the_container_itself(kind: Kind) -> None:
    layout = kind.ui
    warning = next(rule["warn"] for rule in layout["conditions"] if "warn" in rule)

    assert warning["field"] == "base_url"
    assert "Inside a container localhost is the container itself" in warning["text"]
    assert warning["text"] in layout["help"]["base_url"]


def test_the_placeholder_of_localai_is_an_address_on_the_lan() -> None:
    assert KINDS["localai"].ui["placeholders"] == {"base_url": "http://192.168.1.100:8080"}
