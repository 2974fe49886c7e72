"""bin/chaos in its short form: real processes, on SQLite; each scenario's figures and invariants hold."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.processes import ROOT

pytestmark = [pytest.mark.timeout(960), pytest.mark.xdist_group("chaos")]

SHORT = ("F1", "F3", "F4", "F14", "F15")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    told = tmp_path_factory.mktemp("chaos") / "results.json"
    command = [
        sys.executable,
        "-m",
        "tests.chaos",
        *SHORT,
        "--short",
        "--sqlite",
        "--workers",
        "2",
        "--json",
        str(told),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    print(done.stdout, done.stderr)  # shown where a test fails
    assert told.exists(), "it ended before its end"
    return {result["scenario"]: result for result in json.loads(Path(told).read_text())}


@pytest.mark.parametrize("name", SHORT)
def test_the_invariants_and_figures_hold(results: dict[str, Any], name: str):
    result = results[name]
    assert result["findings"] == []
    assert [figure for figure in result["figures"] if not figure["holds"]] == []
