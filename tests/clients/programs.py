"""Clients that are programs of their own, run as their users run them: an address and a key in the environment."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
NODE = HERE / "node"
LANGCHAIN_PYTHON = HERE.parents[1] / ".venv-clients" / "bin" / "python"
SECONDS = 120

Run = Callable[..., dict[str, Any]]


def run(command: Sequence[str | Path], folder: Path, **environment: str) -> dict[str, Any]:
    """What the program printed last, read as JSON."""
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, timeout=SECONDS
    )
    assert done.returncode == 0, done.stderr
    printed: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return printed


def node_sdk(url: str, key: str, models: str = "gpt-4,ada") -> Run:
    """Runs calls of node/calls.mjs by their names; gives what each came to."""
    assert (NODE / "node_modules").is_dir(), "npm ci has not been run: bin/test does it"

    def calls(*names: str, **environment: str) -> dict[str, Any]:
        address = {"OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": key, "MODELS": models}
        return run(["node", "calls.mjs", *names], NODE, **address, **environment)

    return calls


def langchain(url: str, key: str) -> dict[str, Any]:
    """Runs langchain/questions.py, in an environment of its own: its packages are many."""
    assert LANGCHAIN_PYTHON.exists(), "requirements/clients.txt is not installed: bin/test --long does it"
    program = HERE / "langchain" / "questions.py"
    return run([LANGCHAIN_PYTHON, program], HERE, OPENAI_BASE_URL=f"{url}/v1", OPENAI_API_KEY=key)
