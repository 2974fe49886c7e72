"""A test that failed is tried once more. One that fails again is a failure, as are many at once and any of security."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests import second_try

PLAIN = ["-q", "-p", "xdist"]
STALLED = """
import pathlib
import pytest
@pytest.mark.xdist_group("a group")
@pytest.mark.parametrize("who", ["acme@example"])
def test_that_stalled_once(who):
    stalled = pathlib.Path(__file__).with_name("stalled")
    was_there = stalled.exists()
    stalled.touch()
    assert was_there
"""
BROKEN = "def test_that_is_broken(): assert False\n"
MANY = "import pytest\n@pytest.mark.parametrize('n', range(6))\ndef test_many(n): assert False\n"


@pytest.fixture
def tried(tmp_path, monkeypatch):
    """The code of the first try of a file, and that of the second."""

    def try_twice(source, file="test_it.py"):
        (tmp_path / "pytest.ini").write_text("[pytest]")
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(source)
        cache = tmp_path / "cache"
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        first = [*PLAIN, "-n", "1", "--dist", "loadgroup", "-o", f"cache_dir={cache}", file]
        code = subprocess.run([sys.executable, "-m", "pytest", *first], check=False).returncode
        return code, second_try.main(cache, [*PLAIN, "-p", "no:cacheprovider"])

    return try_twice


def test_what_passes_then_is_named(tried, tmp_path, capfd):
    assert tried(STALLED) == (1, 0)

    name = "test_it.py::test_that_stalled_once[acme@example]"
    assert (tmp_path / "cache/second-tries").read_text() == f"{name}\n"
    assert f"once more, alone:\n   {name}" in capfd.readouterr().out


def test_what_fails_again_has_failed(tried, tmp_path, capfd):
    assert tried(BROKEN) == (1, 1)
    assert capfd.readouterr().out.count("1 failed") == 2
    assert not (tmp_path / "cache/second-tries").exists()


def test_many_are_not_tried_again(tried, capfd):
    assert tried(MANY) == (1, 1)
    said = capfd.readouterr().out
    assert "6 failed" in said
    assert "once more" not in said


@pytest.mark.parametrize("file", ["tests/security/test_it.py", "tests/guards/test_it.py"])
def test_a_test_of_security_has_no_second_try(tried, capfd, file):
    assert tried(STALLED, file) == (1, 1)
    assert "once more" not in capfd.readouterr().out
