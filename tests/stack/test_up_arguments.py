"""What bin/up says before it starts anything: one clear line, a status, and nothing left behind."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def up(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "bin" / "up", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=100,
    )


def test_its_help_names_every_option():
    shown = up("--help").stdout
    for option in ("--port", "--state", "--once", "--no-demo", "--localai", "--localai-key-file"):
        assert option in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "http"], "'http' is not a port (1 to 65535)"),
        (["--port", "70000"], "'70000' is not a port (1 to 65535)"),
        (["--localai", "gpu-box:8080"], "'gpu-box:8080' is not an address such as http://192.168.1.100:8080"),
        (["--once", "--no-demo"], "--once needs a model server"),
        (["--no-demo", "--localai", "http://gpu-box:8080"], "say the opposite"),
        (["--localai-key-file", "key"], "--localai-key-file needs --localai"),
        (["--onc"], "unrecognized arguments: --onc"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_arguments_that_make_no_sense_are_refused(arguments, said):
    ended = up(*arguments)
    assert ended.returncode == 2
    assert said in ended.stderr.splitlines()[-1]


def test_a_port_in_use_is_one_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = up("--port", str(port), "--state", str(tmp_path))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"Port {port} is in use. Choose another with --port.\n"


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    ended = up("--state", str(tmp_path / "file" / "state"))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"Cannot write to {tmp_path}/file/state (")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("content", [None, "", "two words"], ids=["missing", "empty", "not a key"])
def test_a_key_file_without_a_key_is_one_line(tmp_path, content):
    key_file = tmp_path / "key"
    if content is not None:
        key_file.write_text(content)
    ended = up(
        "--once", "--localai", "http://gpu-box:8080", "--localai-key-file", str(key_file), "--state", str(tmp_path)
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert str(key_file) in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_place_without_packages_is_one_line(tmp_path):
    """The venv cannot be made where a file stands."""
    (tmp_path / "venv").write_text("")
    ended = up("--once", "--state", str(tmp_path / "state"), MODELYARD_VENV=str(tmp_path / "venv"))
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"Cannot make {tmp_path}/venv")
    assert ended.stderr.count("\n") == 1


def test_a_management_command_without_a_stack_says_how_to_make_one(tmp_path):
    ended = subprocess.run(
        [ROOT / "bin" / "manage", "--state", tmp_path / "none", "check"],
        env={**os.environ, "MODELYARD_VENV": sys.prefix},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert ended.returncode == 1
    assert ended.stderr == f"There is no stack in {tmp_path}/none: run bin/up --state {tmp_path}/none first.\n"
