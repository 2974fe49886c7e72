"""schemathesis over the whole OpenAPI document, with all its checks on: nothing that it thinks of makes us break a
promise of the document.

`bin/test` takes the examples and the edge cases of every operation; `bin/test --long` goes deeper and strings
operations together.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.fakes.localai import FakeLocalAI
from tests.security.world import SORTS, World, make_world

SEED = "20270131"
EXAMPLES = "100"
ROOT = Path(__file__).resolve().parents[2]
NAMES = ("tenant", "kind", "name")
ROWS = ("api_key", "credential", "discovery", "invitation", "job", "member", "model", "provider", "validation")


@pytest.fixture
def localai(settings: Any) -> Iterator[FakeLocalAI]:
    settings.EGRESS_ALLOW = ["127.0.0.0/8"]
    with FakeLocalAI() as server:
        for name, sort in SORTS.items():
            server.add(name, sort)
        yield server


@pytest.fixture
def world(transactional_db: None, localai: FakeLocalAI) -> World:
    return make_world(localai.url)


def configuration(world: World, folder: Path, *ids: str) -> Path:
    """Two keys that must not see each other's things, ids that exist, and which refusals of a right body are right."""
    users = [
        {"name": slug, "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {holding.team.key}"}]}
        for slug, holding in (("acme", world.acme), ("globex", world.globex))
    ]
    (folder / "users.json").write_bytes(orjson.dumps({"auth": users}))
    written = folder / "schemathesis.toml"
    written.write_text(
        f"""
max-stream-events = 20
request-timeout = 60.0
[auth.wfc]
path = "{folder / "users.json"}"
peers = ["acme", "globex"]
[generation]
with-security-parameters = false
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 304, 400, 401, 403, 404, 409, 412, 415, 422]
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 409, 412, 413, 415, 422]
[parameters]
"""
        + "".join(f'"path.{name}" = "{world.acme.ids[name]}"\n' for name in ids)
    )
    return written


def run(url: str, config: Path, *options: str, **environment: str) -> str:
    """What schemathesis says; fails with it where it found something."""
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run", f"{url}/api/schema/"]
    done = subprocess.run(
        [*command, "--checks", "all", "--seed", SEED, "--no-color", "--generation-database", "none", *options],
        capture_output=True,
        text=True,
        cwd=config.parent,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    return done.stdout


@pytest.mark.timeout(600)
def test_the_examples_and_edge_cases_of_every_operation_are_answered_as_promised(url, world, tmp_path):
    run(url, configuration(world, tmp_path, *NAMES, *ROWS), "--phases", "examples,coverage")


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_random_calls_are_answered_as_promised(url, world, tmp_path):
    run(url, configuration(world, tmp_path, *NAMES, *ROWS), "--phases", "fuzzing", "--max-examples", EXAMPLES)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_calls_one_after_another_are_answered_as_promised(url, world, operations, tmp_path):
    """What one call gives is what the next one names: ids are drawn from answers."""
    right = {str(one): one.body(world.acme.ids) for one in operations if one.takes_a_body and not one.is_data_plane}
    (tmp_path / "bodies.json").write_bytes(orjson.dumps(right))
    hooks = {"SCHEMATHESIS_HOOKS": "tests.security.schemathesis_hooks", "PYTHONPATH": str(ROOT)}
    hooks["RIGHT_BODIES"] = str(tmp_path / "bodies.json")
    options = ["--phases", "stateful", "--max-examples", EXAMPLES]
    for ends_the_callers_own_key in ("api_keys_delete", "api_keys_rotate"):
        options += ["--exclude-operation-id", ends_the_callers_own_key]

    said = run(url, configuration(world, tmp_path, *NAMES), *options, **hooks)

    followed = re.search(r"API Links:\s+(\d+) covered", said)
    assert followed, said
    assert int(followed[1]) > 0, said
