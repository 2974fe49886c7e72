"""Journey (a): a provider is stored with its secrets sealed and its validation queued; nothing is called."""

import pytest

from providers.models import Provider, SealedSecret, ValidationRun
from tenants.models import AuditEvent
from tests.providers.control.conftest import KEY, faults, provider_body, register


def test_a_provider_is_unverified_with_a_queued_validation_and_its_defaults(acme):
    response = acme.client.post(f"{acme.path}/providers", provider_body(credentials={"api_key": KEY}))

    made = response.json()
    assert response.status_code == 201
    assert response["Location"].endswith(f"{acme.path}/providers/{made['id']}")
    assert (made["state"], made["state_reason"], made["enabled"]) == ("unverified", None, True)
    assert made["last_validation"]["state"] == "queued"
    assert made["settings"] == {
        "connect_timeout_seconds": 5,
        "first_token_timeout_seconds": 300,
        "idle_timeout_seconds": 60,
        "total_timeout_seconds": 1800,
        "max_concurrency": 4,
        "verify_tls": True,
        "extra_headers": {},
    }
    assert made["model_counts"] == {"enabled": 0, "total": 0}
    run = ValidationRun.objects.for_tenant(acme.id).get()
    assert (run.level, run.state) == ("models", "queued")


def test_a_secret_is_stored_sealed_and_shown_as_facts_about_it(acme):
    made = register(acme, credentials={"api_key": KEY})

    assert made["credentials"]["admin_api_key"] == {"set": False}
    shown = made["credentials"]["api_key"]
    assert (shown["set"], shown["last4"], len(shown["fingerprint"])) == (True, "c0de", 16)
    secret = SealedSecret.objects.for_tenant(acme.id).get()
    assert KEY.encode() not in bytes(secret.blob)
    assert secret.origin == "http://192.168.1.100:8080"


def test_of_a_short_secret_nothing_is_shown(acme):
    made = register(acme, credentials={"api_key": "short"})
    assert made["credentials"]["api_key"]["last4"] is None


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("http://GPU-Box:8080/", "http://gpu-box:8080"),
        ("http://gpu-box:8080/v1", "http://gpu-box:8080"),
        ("http://gpu-box:8080/v1/chat/completions", "http://gpu-box:8080"),
        ("https://ai.example.com/local/v1/", "https://ai.example.com/local"),
    ],
)
def test_the_answer_shows_the_normalised_address(acme, typed, stored):
    assert register(acme, typed)["base_url"] == stored


@pytest.mark.parametrize(
    ("base_url", "code"),
    [
        ("gpu-box:8080", "url_malformed"),
        ("ftp://gpu-box", "url_scheme_unsupported"),
        ("http://me:secret@gpu-box:8080", "url_has_credentials"),
        ("http://0.0.0.0:8080", "url_bind_address"),
        ("http://169.254.169.254", "destination_forbidden"),
        ("http://[fe80::1]:8080", "destination_forbidden"),
        ("http://metadata.google.internal", "destination_forbidden"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_at_save(acme, base_url, code):
    response = acme.client.post(f"{acme.path}/providers", provider_body(base_url))

    assert response.status_code == 400
    assert response.json()["code"] == code
    assert faults(response) == {"base_url": code}
    assert not Provider.objects.for_tenant(acme.id).exists()


def test_a_name_is_taken_once_per_tenant(acme, globex):
    register(acme)

    response = acme.client.post(f"{acme.path}/providers", provider_body())

    assert (response.status_code, response.json()["code"]) == (409, "name_taken")
    assert faults(response) == {"name": "name_taken"}
    register(globex)


def test_an_audit_event_names_the_fields_and_no_value(acme):
    made = register(acme, credentials={"api_key": KEY})

    event = AuditEvent.objects.for_tenant(acme.id).get(action="provider.created")
    assert str(event.object_id) == made["id"]
    assert event.detail["fields"] == ["api_key"]
    assert KEY not in str(event.detail)


def test_settings_take_their_defaults_key_by_key_and_null_is_a_value(acme):
    made = register(acme, settings={"max_concurrency": None, "idle_timeout_seconds": 30})
    assert made["settings"]["max_concurrency"] is None
    assert made["settings"]["idle_timeout_seconds"] == 30
    assert made["settings"]["verify_tls"] is True


def test_one_answer_names_every_field_at_fault(acme):
    body = provider_body(
        "ftp://gpu-box",
        settings={"max_concurrency": 0, "verify_tls": "yes", "extra_headers": {"Host": "x"}, "retries": 3},
        credentials={"api_key": "•••••c0de", "password": "x"},
    )

    response = acme.client.post(f"{acme.path}/providers", body)

    assert response.status_code == 400
    assert faults(response) == {
        "base_url": "url_scheme_unsupported",
        "settings.max_concurrency": "min_value",
        "settings.verify_tls": "invalid_type",
        "settings.extra_headers.Host": "header_forbidden",
        "settings.retries": "unknown_field",
        "credentials.api_key": "secret_looks_masked",
        "credentials.password": "unknown_field",
    }


def test_an_unknown_kind_is_refused(acme):
    response = acme.client.post(f"{acme.path}/providers", provider_body(kind="skynet"))
    assert (response.status_code, response.json()["code"]) == (400, "kind_unknown")
