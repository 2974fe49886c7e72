"""One round of load by wrk, and what it cost the server: requests a second, median latency, CPU for each request."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contenders import CHAT, Contender
from benchmarks.processes import LOAD_CORE, cpu_seconds, pinned
from benchmarks.record import Measured

_REPORT = """
done = function(summary, latency, requests)
  io.stderr:write(string.format('%d %d %.6f %.3f %.3f', summary.requests, summary.errors.status
    + summary.errors.connect + summary.errors.read + summary.errors.timeout, summary.duration / 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
"""


@dataclass(frozen=True)
class Case:
    """One kind of request, by so many connections at once."""

    name: str
    connections: int
    body: Mapping[str, object]
    path: str = CHAT
    method: str = "POST"
    keys: Sequence[str] = ()  # in turn, where the contender's one key will not do
    models: Sequence[str] = ()


def chat(wanted: str = "", *, stream: bool = False) -> dict[str, object]:
    """A chat completion; `wanted` is a word to the benchmark's model server."""
    messages = [{"role": "user", "content": f"Why is the sky blue? {wanted}"}]
    return {"model": "gpt-3.5-turbo", "messages": messages, **({"stream": True} if stream else {})}


def measure(case: Case, contender: Contender, seconds: float) -> Measured:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_script(case, contender))
        script.flush()
        before = cpu_seconds(contender.pid) if contender.pid else 0.0
        done = _wrk(case, contender.url, Path(script.name), seconds)
        used = cpu_seconds(contender.pid) - before if contender.pid else None
    requests, errors, lasted, p50, p99 = map(float, re.findall(r"[\d.]+", done.strip().splitlines()[-1]))
    cpu_ms = None if used is None else used * 1000 / max(1.0, requests)
    return Measured(per_second=requests / lasted, p50_ms=p50, p99_ms=p99, cpu_ms=cpu_ms, errors=int(errors))


def _script(case: Case, contender: Contender) -> str:
    body = json.dumps(case.body, separators=(",", ":"))
    headers = [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in contender.headers.items()]
    start = [f"wrk.method = {json.dumps(case.method)}"]
    if case.method == "POST":
        start.append(f"wrk.body = {json.dumps(body)}")
    return "\n".join([*start, *headers, _in_turn(case) if case.keys else "", _REPORT])


def _in_turn(case: Case) -> str:
    keys, models = (json.dumps(list(each))[1:-1] for each in (case.keys, case.models))
    named = json.dumps(f'"{case.body["model"]}"')
    return f"""
local keys, models, number, bodies = {{{keys}}}, {{{models}}}, 0, {{}}
for place, model in ipairs(models) do bodies[place] = string.gsub(wrk.body, {named}, '"' .. model .. '"') end
request = function()
  number = number + 1
  wrk.headers["Authorization"] = "Bearer " .. keys[number % #keys + 1]
  return wrk.format(nil, nil, nil, bodies[number % #bodies + 1])
end"""


def _wrk(case: Case, url: str, script: Path, seconds: float) -> str:
    if not shutil.which("wrk"):
        sys.exit("The benchmark needs wrk: apt-get install wrk")
    options = ["-t1", f"-c{case.connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s", "--latency"]
    command = pinned(LOAD_CORE, "wrk", *options, "-s", str(script), url + case.path)
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr
