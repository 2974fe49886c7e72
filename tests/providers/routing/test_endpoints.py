"""What capacity is counted for, and how much of it there is."""

from datetime import timedelta

import pytest
from django.utils import timezone

from providers.models import ValidationRun
from providers.routing import provider_target
from tests.providers.rows import add_provider, grant

pytestmark = pytest.mark.django_db


def validated(provider, state="passed", **facts):
    now = timezone.now()
    ValidationRun(
        tenant_id=provider.tenant_id, provider=provider, state=state, started_at=now, finished_at=now, **facts
    ).save()
    return provider


@pytest.mark.parametrize(
    ("base_url", "endpoint"),
    [
        ("http://192.168.1.100:8080", "192.168.1.100:8080"),
        ("http://192.168.1.100:8080/prefix", "192.168.1.100:8080"),
        ("http://localhost:8080", "127.0.0.1:8080"),
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("http://[::1]:8080", "127.0.0.1:8080"),
        ("http://10.0.0.7", "10.0.0.7:80"),
    ],
)
def test_a_private_address_is_one_box_whoever_dials_it(acme, base_url, endpoint):
    assert provider_target(add_provider(acme, base_url)).endpoint == endpoint


def test_a_public_server_is_its_own_endpoint(acme):
    provider = add_provider(acme, "https://api.example.com")

    assert provider_target(provider).endpoint == f"provider:{provider.pk}"


def test_a_name_counts_as_the_address_its_last_validation_dialled(acme):
    provider = add_provider(acme, "http://localai:8080")
    steps = [{"step": "dns", "ok": True, "code": "ok", "evidence": {"addresses": ["172.20.0.5"]}}]
    validated(provider, steps=steps)

    assert provider_target(provider).endpoint == "172.20.0.5:8080"


def test_a_providers_own_endpoint_takes_its_own_figure(acme):
    assert provider_target(add_provider(acme, "https://api.example.com", max_concurrency=7)).capacity == 7


def test_null_sets_no_capacity(acme):
    assert provider_target(add_provider(acme, "https://api.example.com", max_concurrency=None)).capacity is None


def test_a_shared_box_takes_the_smallest_figure_of_those_who_can_use_it(acme, globex):
    validated(add_provider(globex, "http://localhost:8080", max_concurrency=3))
    validated(add_provider(globex, "http://127.0.0.1:8080/x", name="failed", max_concurrency=1), state="failed")
    ours = validated(add_provider(acme, "http://127.0.0.1:8080", max_concurrency=6))

    target = provider_target(ours)

    assert (target.capacity, target.max_concurrency) == (3, 6)


def test_a_neighbouring_port_is_another_box(acme, globex):
    validated(add_provider(globex, "http://127.0.0.1:8081", max_concurrency=1))
    ours = validated(add_provider(acme, "http://127.0.0.1:8080", max_concurrency=6))

    assert provider_target(ours).capacity == 6


def test_the_operators_figure_wins(acme):
    grant("192.168.1.0/24", port_from=8080, port_to=8080, max_concurrency=2)
    ours = validated(add_provider(acme, "http://192.168.1.100:8080", max_concurrency=6))

    assert provider_target(ours).capacity == 2


def test_a_lapsed_grant_says_nothing(acme):
    grant("192.168.1.0/24", max_concurrency=2, expires_at=timezone.now() - timedelta(seconds=1))
    ours = validated(add_provider(acme, "http://192.168.1.100:8080", max_concurrency=6))

    assert provider_target(ours).capacity == 6
