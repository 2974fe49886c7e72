"""The ways in which an address that a tenant typed comes to be dialled."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx

from providers import discovery
from providers.models import Discovery, Provider, ValidationRun
from providers.validation import worker
from tests.factories import Team, bearer
from tests.providers.jobs.client import TERMINAL
from tests.providers.rows import add_model, add_provider
from tests.waiting import wait_for

SECONDS = 60.0
PATIENT = {"connect_timeout_seconds": 60}  # a slow machine is told apart from a refusal
MESSAGES = [{"role": "user", "content": "Why is the sky blue?"}]


class NameServer:
    """Stands in for the system's resolver: it knows these names and no other, and asks nobody.

    Numbers in any spelling are read as the C library reads them. A list of lists is given one after the other.
    """

    def __init__(self, monkeypatch: Any, known: Mapping[str, Sequence[Any]]) -> None:
        self.known = {name: list(answers) for name, answers in known.items()}
        self._real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self)

    def __call__(self, host: Any, port: Any, *args: Any, **options: Any) -> Any:
        name = (host.decode() if isinstance(host, bytes) else str(host)).partition("\0")[0]  # C's strings end there
        if _is_numeric(name):
            return self._real(host, port, *args, **options)
        answers = self.known.get(name.removesuffix(".").lower())
        if answers is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if isinstance(answers[0], list):
            answers = answers.pop(0) if len(answers) > 1 else answers[0]
        return [entry for address in answers for entry in self._real(address, port, *args, **options)]


def _is_numeric(name: str) -> bool:
    if ":" in name:
        return True
    try:
        socket.inet_aton(name)
    except OSError:
        return False
    return True


@dataclass
class Doors:
    """A tenant with a provider that is patched, and calls over real HTTP."""

    team: Team
    url: str

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=self.url, headers=bearer(self.team.key), trust_env=False, timeout=SECONDS)
        self.patched = add_provider(self.team, "http://192.168.1.100:8080", name="patched")
        self._count = 0

    # --- At save ---
    def create(self, base_url: str) -> httpx.Response:
        self._count += 1
        form = {"kind": "localai", "name": f"box {self._count}", "base_url": base_url, "settings": PATIENT}
        return self.http.post(f"{self.team.path}/providers", json=form)

    def patch(self, base_url: str) -> httpx.Response:
        return self.http.patch(f"{self.team.path}/providers/{self.patched.id}", json={"base_url": base_url})

    def try_form(self, base_url: str) -> httpx.Response:
        form = {"kind": "localai", "base_url": base_url, "settings": PATIENT}
        return self.http.post(f"{self.team.path}/validations", json=form)

    def store(self, base_url: str) -> Provider:
        """As though it had been saved, by whatever mistake; with a chat model of the provider's name."""
        self._count += 1
        provider = add_provider(self.team, base_url, name=f"box {self._count}", **PATIENT)
        add_model(provider, f"model-{self._count}", upstream_name="gpt-3.5-turbo")
        return provider

    def model_of(self, provider: Provider) -> str:
        return provider.name.replace("box ", "model-")

    # --- At the dial ---
    def validate(self, *providers: Provider) -> list[str]:
        """The code of each one's diagnosis, or `passed`."""
        queued = [
            self.http.post(f"{self.team.path}/providers/{provider.id}/validations", json={}).json()["id"]
            for provider in providers
        ]
        return self.carry_out(queued)

    def carry_out(self, run_ids: Sequence[str]) -> list[str]:
        for run in [worker.execute(run_id) for run_id in run_ids]:  # type: ignore[arg-type]
            run.result(SECONDS)
        rows = {str(run.id): run for run in ValidationRun.objects.for_tenant(self.team.id).filter(id__in=run_ids)}
        return [(rows[run_id].diagnosis or {}).get("code", rows[run_id].state) for run_id in run_ids]

    def discover(self, *providers: Provider) -> list[str]:
        """The code of what stood in the way of each listing, or `succeeded`."""
        asked = [self.http.post(f"{self.team.path}/providers/{one.id}/discoveries").json()["id"] for one in providers]
        for listing in [discovery.execute(UUID(discovery_id)) for discovery_id in asked]:
            listing.result(SECONDS)
        rows = {str(row.id): row for row in Discovery.objects.for_tenant(self.team.id).filter(id__in=asked)}
        return [(rows[discovery_id].error or {}).get("code", rows[discovery_id].state) for discovery_id in asked]

    def run(self, *providers: Provider) -> list[str]:
        """The code of each one's job, or `succeeded`."""
        submitted = [
            self.http.post(f"{self.team.path}/jobs", json=self._order(provider)).json() for provider in providers
        ]
        return [self._ended(job["id"]) for job in submitted]

    def _order(self, provider: Provider) -> dict[str, Any]:
        model = self.model_of(provider)
        return {"model": model, "operation": "chat.completions", "input": {"messages": MESSAGES}}

    def _ended(self, job_id: str) -> str:
        def ended() -> dict[str, Any] | None:
            job: dict[str, Any] = self.http.get(f"{self.team.path}/jobs/{job_id}").json()
            return job if job["state"] in TERMINAL else None

        job = wait_for(ended, seconds=SECONDS)
        assert job is not None
        return str((job["error"] or {}).get("code", job["state"]))

    def call(self, provider: Provider, **fields: Any) -> httpx.Response:
        body = {"model": self.model_of(provider), "messages": MESSAGES, **fields}
        return self.http.post("/v1/chat/completions", json=body)

    def call_all(self, *providers: Provider, **fields: Any) -> list[httpx.Response]:
        """Some at once: the gateway tries a connect again for half a second."""
        with ThreadPoolExecutor(16) as pool:
            return list(pool.map(lambda provider: self.call(provider, **fields), providers))
