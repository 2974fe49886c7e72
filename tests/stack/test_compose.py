"""docker-compose.yml names only commands, settings, files and services that exist. No engine is needed to see that."""

from __future__ import annotations

import importlib
import re
import sys
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("migrate", "web", "worker", "scheduler")
READ_BY_OTHERS = {"PROMETHEUS_MULTIPROC_DIR", "FORWARDED_ALLOW_IPS"}  # prometheus-client, uvicorn
ONLY_FOR_COMPOSE = {"MODELYARD_UID", "MODELYARD_GID", "WEB_ADDRESS", "LOCALAI_IMAGE"}
ALIASES = sorted((ROOT / "deploy/localai/models").glob("*.yaml"))


def settings_read() -> set[str]:
    text = "".join(path.read_text() for path in ROOT.glob("config/**/*.py"))
    return set(re.findall(r"""(?:env(?:\.\w+)?|comma_list|\.get)\(\s*"([A-Z][A-Z0-9_]+)\"""", text))


def words(value: Any) -> str:
    return yaml.safe_dump(value)


def test_it_has_the_whole_platform():
    assert set(SERVICES) == {"migrate", "web", "worker", "scheduler", "database", "redis", "localai"}


@pytest.mark.parametrize("name", OURS)
def test_its_command_exists(name):
    command = SERVICES[name]["command"]
    assert (Path(sys.executable).parent / command[0]).exists()
    for part in command[1:]:
        if part.endswith(".py"):
            assert (ROOT / part).exists()
        if ":" in part and not part.startswith("-"):
            module, _, attribute = part.partition(":")
            assert hasattr(importlib.import_module(module), attribute)


@pytest.mark.parametrize("name", OURS)
def test_its_healthcheck_names_a_module_that_exists(name):
    check = SERVICES[name].get("healthcheck", {}).get("test", [])
    if "-m" in check:
        assert importlib.util.find_spec(check[check.index("-m") + 1])


@pytest.mark.parametrize("name", OURS)
def test_its_settings_are_read_by_us(name):
    given = {variable.removesuffix("_FILE") for variable in SERVICES[name]["environment"]}
    assert given - settings_read() - READ_BY_OTHERS == set()


def test_what_env_may_set_stands_in_the_example():
    asked = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))
    example = set(re.findall(r"^#?\s*([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.M))
    assert asked - example == set()
    assert asked - settings_read() - READ_BY_OTHERS - ONLY_FOR_COMPOSE == set()


def test_no_secret_stands_in_it():
    for name in OURS:
        assert {"SECRET_KEY", "KEYRING", "DATABASE_URL"}.isdisjoint(SERVICES[name]["environment"])
    assert "POSTGRES_PASSWORD" not in SERVICES["database"]["environment"]


def test_its_secrets_are_the_ones_that_are_made():
    made = set(re.findall(r'keep\("(\w+)"', (ROOT / "deploy/make-secrets").read_text()))
    assert set(COMPOSE["secrets"]) == made
    for name, service in SERVICES.items():
        assert set(service.get("secrets", [])) <= made, name
        for file in re.findall(r"/run/secrets/(\w+)", words(service)):
            assert file in service["secrets"], name


def test_its_own_localai_may_be_dialled_and_nothing_else_that_is_private():
    subnet = COMPOSE["networks"]["default"]["ipam"]["config"][0]["subnet"]
    default = re.search(r":-(.*)}", SERVICES["worker"]["environment"]["EGRESS_ALLOW"])
    assert default is not None
    assert default[1] == f"{subnet}:8080"
    assert ip_network(subnet).is_private


def test_localai_stays_away_unless_it_is_asked_for():
    assert SERVICES["localai"]["profiles"] == ["localai"]
    assert all("profiles" not in service for name, service in SERVICES.items() if name != "localai")


@pytest.mark.parametrize("name", ["web", "worker", "scheduler", "database", "redis", "localai"])
def test_it_has_a_healthcheck(name):
    assert SERVICES[name]["healthcheck"]["test"]


def test_what_is_waited_for_exists():
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            assert other in SERVICES, name
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other], name


def test_each_volume_and_file_that_is_mounted_exists():
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"], name
        for file in service.get("env_file", []):
            assert (ROOT / file).exists(), name


def test_localai_gets_no_more_threads_than_it_is_told():
    assert re.search(r"^THREADS=\d+$", (ROOT / "deploy/localai/.env").read_text(), re.M)


def test_the_aliases_are_the_seed_s_two_names():
    assert [yaml.safe_load(path.read_text())["name"] for path in ALIASES] == ["gpt-3.5-turbo", "text-embedding-ada-002"]


@pytest.mark.parametrize("path", ALIASES, ids=lambda path: path.stem)
def test_an_alias_names_a_gguf_file_and_says_what_it_replaced(path):
    assert yaml.safe_load(path.read_text())["parameters"]["model"].endswith(".gguf")
    assert "replaces" in path.read_text()


def test_the_image_runs_what_compose_runs():
    dockerfile = (ROOT / "Dockerfile").read_text()
    for source in re.findall(r"^COPY (?!--)(\S+) ", dockerfile, re.M):
        assert (ROOT / source).exists()
    assert 'CMD ["uvicorn", "config.asgi:application"' in dockerfile
    assert "--require-hashes" in dockerfile
