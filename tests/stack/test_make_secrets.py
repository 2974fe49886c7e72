"""deploy/make-secrets: made once, random, and readable by their owner alone."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / "deploy").mkdir()
    shutil.copy(ROOT / "deploy/make-secrets", tmp_path / "deploy/make-secrets")
    return tmp_path


def make(checkout):
    subprocess.run([sys.executable, checkout / "deploy/make-secrets"], check=True, capture_output=True)
    return {path.name: path.read_text() for path in (checkout / "deploy/secrets").iterdir()}


def test_what_is_there_stays(checkout):
    assert make(checkout) == make(checkout)


def test_only_their_owner_can_read_them(checkout):
    make(checkout)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (checkout / "deploy/secrets").iterdir()}
    assert modes == {0o600}


def test_the_containers_run_as_who_can_read_them(checkout):
    (checkout / ".env").write_text("LOG_LEVEL=DEBUG\n")
    make(checkout)
    make(checkout)
    expected = ["LOG_LEVEL=DEBUG", f"MODELYARD_UID={os.getuid()}", f"MODELYARD_GID={os.getgid()}"]
    assert (checkout / ".env").read_text().splitlines() == expected


def test_the_database_s_address_holds_its_password(checkout):
    made = make(checkout)
    assert made["postgres_password"].strip() in made["database_url"]
