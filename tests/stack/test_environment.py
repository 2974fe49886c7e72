"""What the children of bin/up are told."""

from __future__ import annotations

import stat
from pathlib import Path

from config.stack.environment import OWN_NETWORKS, environment, kept
from config.stack.options import parse
from config.stack.state import State
from providers.upstream.egress import parse_allow


def told(folder: Path, model_server: str | None = None, **outside: str) -> dict[str, str]:
    return environment(State(folder), port=8000, model_server=model_server, outside=outside)


def test_its_own_networks_may_be_dialled_and_the_model_server(tmp_path):
    allowed = told(tmp_path, "http://127.0.0.1:8080")["EGRESS_ALLOW"]
    assert allowed == f"{OWN_NETWORKS},127.0.0.1/32:8080"
    assert len(parse_allow(allowed)) == 7


def test_a_word_from_outside_replaces_the_networks_but_not_the_model_server(tmp_path):
    allowed = told(tmp_path, "http://[::1]:9090", EGRESS_ALLOW="10.1.0.0/16:8080")["EGRESS_ALLOW"]
    assert allowed == "10.1.0.0/16:8080,[::1/128]:9090"
    assert len(parse_allow(allowed)) == 2


def test_what_is_set_outside_stands(tmp_path):
    children = told(tmp_path, REDIS_URL="redis://box:6379/0", WEB_WORKERS="2", HTTPS_ONLY="true", KEYRING="k:…")
    assert children["REDIS_URL"] == "redis://box:6379/0"
    assert children["WEB_WORKERS"] == "2"
    assert children["HTTPS_ONLY"] == "true"
    assert "KEYRING_FILE" not in children


def test_a_password_opens_the_admin_of_ones_own_machine_unless_told_otherwise(tmp_path):
    assert told(tmp_path)["STAFF_MFA_REQUIRED"] == "false"
    assert told(tmp_path, STAFF_MFA_REQUIRED="true")["STAFF_MFA_REQUIRED"] == "true"


def test_the_key_of_the_model_server_goes_to_no_child(tmp_path):
    assert "LOCALAI_API_KEY" not in told(tmp_path, LOCALAI_API_KEY="planted")


def test_secrets_stay_the_same_and_belong_to_their_owner(tmp_path):
    first = told(tmp_path)
    secret = Path(first["SECRET_KEY_FILE"]).read_text()
    assert Path(told(tmp_path)["SECRET_KEY_FILE"]).read_text() == secret
    for name in ("SECRET_KEY_FILE", "KEYRING_FILE"):
        assert stat.S_IMODE(Path(first[name]).stat().st_mode) == 0o600


def test_what_is_kept_for_bin_manage_finds_the_same_stack(tmp_path):
    saved = kept(told(tmp_path, DATABASE_URL="postgres://u:p@db/x", PATH="/bin"))
    assert saved["DATABASE_URL"] == "postgres://u:p@db/x"
    assert saved["REDIS_URL"].startswith("unix://")
    assert "PATH" not in saved


def test_arguments_survive_a_change_of_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    chosen = parse(["--state", "here", "--localai", "http://box:1", "--localai-key-file", "key", "--once"])
    monkeypatch.chdir("/")
    assert parse(chosen.as_arguments()) == chosen
    assert chosen.state == tmp_path / "here"


def test_only_what_is_needed_is_installed():
    assert parse([]).groups({}) == ["base", "embedded", "demo"]
    assert parse(["--no-demo"]).groups({}) == ["base", "embedded"]
    assert parse(["--localai", "http://box:1"]).groups({"REDIS_URL": "redis://box"}) == ["base"]
