"""The peers, each pinned to a release and installed by name into a folder of its own outside the repository."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.contenders import FLOOR_KEY, Contender
from benchmarks.processes import SERVER_CORE, running
from benchmarks.upstream import MODEL
from config.stack.preflight import free_port

LITELLM, MLFLOW, PORTKEY = "LiteLLM 1.106.2", "MLflow gateway 3.17", "Portkey 1.15"
NAMES = (LITELLM, MLFLOW, PORTKEY)
PORTKEY_START = Path("node_modules/@portkey-ai/gateway/build/start-server.js")


@contextmanager
def peer(name: str, upstream_url: str, cache: Path) -> Iterator[Contender]:
    """One worker process, its own defaults, and one master key where it knows keys."""
    starts = {LITELLM: _litellm, MLFLOW: _mlflow, PORTKEY: _portkey}
    with starts[name](upstream_url, cache) as contender:
        yield contender


@contextmanager
def _litellm(upstream_url: str, cache: Path) -> Iterator[Contender]:
    tool = _python_tool(cache / "litellm", "litellm[proxy]==1.106.2", "litellm")
    config = cache / "litellm.yaml"
    model = f"{{model: openai/{MODEL}, api_base: {upstream_url}/v1, api_key: sk-bench}}"
    config.write_text(
        f"model_list:\n  - model_name: gpt-3.5-turbo\n    litellm_params: {model}\n"
        f"general_settings: {{master_key: {FLOOR_KEY}}}\nlitellm_settings: {{telemetry: false}}\n"
    )
    port = free_port()
    command = [tool, "--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    with running(SERVER_CORE, *command, port=port, env=env, cwd=cache) as pid:
        yield Contender(LITELLM, f"http://127.0.0.1:{port}", FLOOR_KEY, pid)


@contextmanager
def _mlflow(upstream_url: str, cache: Path) -> Iterator[Contender]:
    tool = _python_tool(cache / "mlflow", "mlflow[gateway]==3.17.*", "mlflow")
    config = cache / "mlflow.yaml"
    server = f"{{openai_api_key: sk-bench, openai_api_base: {upstream_url}/v1}}"
    config.write_text(
        "endpoints:\n  - name: gpt-3.5-turbo\n    endpoint_type: llm/v1/chat\n"
        f"    model: {{provider: openai, name: {MODEL}, config: {server}}}\n"
    )
    port = free_port()
    command = [tool, "gateway", "start", "--config-path", str(config), "--port", str(port), "--workers", "1"]
    with running(SERVER_CORE, *command, port=port, cwd=cache) as pid:
        yield Contender(MLFLOW, f"http://127.0.0.1:{port}", FLOOR_KEY, pid)


@contextmanager
def _portkey(upstream_url: str, cache: Path) -> Iterator[Contender]:
    """Installed from npm, this release answers every stream with 500 ("immutable" headers): unary calls only."""
    folder = cache / "portkey"
    if not (folder / PORTKEY_START).exists():
        folder.mkdir(parents=True, exist_ok=True)
        _install("npm", "install", "--silent", "--no-audit", "--no-fund", "@portkey-ai/gateway@1.15", cwd=folder)
    port = free_port()
    headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": f"{upstream_url}/v1"}
    command = ["node", str(PORTKEY_START), f"--port={port}", "--headless"]
    with running(SERVER_CORE, *command, port=port, cwd=folder) as pid:
        yield Contender(PORTKEY, f"http://127.0.0.1:{port}", FLOOR_KEY, pid, headers, streams=False)


def _python_tool(venv: Path, requirement: str, command: str) -> str:
    tool = venv / "bin" / command
    if not tool.exists():
        _install(sys.executable, "-m", "venv", str(venv))
        _install(str(venv / "bin" / "pip"), "install", "--quiet", requirement)
    return str(tool)


def _install(*command: str, cwd: Path | None = None) -> None:
    if not shutil.which(command[0]):
        sys.exit(f"The peers need {command[0]}.")
    print("Installing:", " ".join(command[-1:]))
    subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.DEVNULL)
