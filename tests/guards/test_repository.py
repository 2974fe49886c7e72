"""Promises about the repository itself."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TRACKED = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
PYTHON = [name for name in TRACKED if name.endswith(".py") and "/migrations/" not in name and (ROOT / name).exists()]


@pytest.mark.parametrize("lock", sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("requirements/*.txt")))
def test_lock_files_hold_hashes_and_no_address(lock):
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert all("\\" in line for line in text.splitlines() if "==" in line), "each pin is followed by its hashes"


def test_no_module_is_a_drawer():
    drawers = {"utils.py", "helpers.py", "common.py", "misc.py", "manager.py", "service.py", "services.py"}
    assert [name for name in TRACKED if Path(name).name in drawers] == []


def test_no_module_outgrows_four_hundred_lines():
    assert [name for name in PYTHON if len((ROOT / name).read_text().splitlines()) > 400] == []


def test_nothing_is_left_unfinished():
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|pytest\.mark\.(skip|xfail)\b")
    here = str(Path(__file__).relative_to(ROOT))
    assert [name for name in PYTHON if name != here and marks.search((ROOT / name).read_text())] == []
