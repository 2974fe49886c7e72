"""Drive the steps of a validation against a fake, as the worker does, without a database."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from providers.kinds import KINDS
from providers.upstream.client import UpstreamClient
from providers.upstream.egress import AllowedRange, EgressPolicy, endpoint_of
from providers.upstream.target import Target, Timeouts
from providers.validation.steps import Finding, Outcome, ToProbe, run_steps

ACME = UUID("01890000-0000-7000-8000-00000000ac3e")
LOOPBACK = EgressPolicy(
    tuple(AllowedRange(ipaddress.ip_network(network)) for network in ("127.0.0.0/8", "::1/128")), "loopback"
)
NOTHING = EgressPolicy((), "nothing")
PATIENT = Timeouts(connect_seconds=60.0, first_token_seconds=60.0, idle_seconds=60.0, total_seconds=90.0)


@dataclass(frozen=True)
class Run:
    """What a run of the steps gave."""

    findings: list[Finding]
    outcome: Outcome

    @property
    def steps(self) -> list[tuple[str, str]]:
        return [(finding.step, finding.code) for finding in self.findings]

    @property
    def last(self) -> Finding:
        return self.findings[-1]

    @property
    def code(self) -> str | None:
        return self.outcome.diagnosis.code if self.outcome.diagnosis else None

    @property
    def message(self) -> str:
        assert self.outcome.diagnosis is not None, "the run passed"
        return self.outcome.diagnosis.message

    @property
    def remedy(self) -> str:
        assert self.outcome.diagnosis is not None, "the run passed"
        return self.outcome.diagnosis.remedy


def target_at(
    base_url: str,
    *,
    kind: str = "localai",
    secrets: dict[str, str] | None = None,
    timeouts: Timeouts = PATIENT,
    policy: EgressPolicy = LOOPBACK,
    verify_tls: bool = True,
    headers: dict[str, str] | None = None,
) -> Target:
    """A target as routing would open it."""
    described, given = KINDS[kind], secrets or {}
    return Target(
        tenant_id=ACME,
        provider_id=None,
        kind=kind,
        base_url=base_url,
        headers={**(headers or {}), **described.auth_headers(given, "inference")},
        admin_headers=described.auth_headers(given, "admin") or None,
        timeouts=timeouts,
        verify_tls=verify_tls,
        policy=policy,
        upstream_name=None,
        model_name=None,
        model_entry_id=None,
        endpoint=endpoint_of(base_url, [], "test"),
        max_concurrency=None,
    )


async def validate(
    base_url: str, level: str = "models", models: Sequence[tuple[str, str] | ToProbe] = (), **target: Any
) -> Run:
    """Take the steps against `base_url`; the rest is the target's."""
    opened = target_at(base_url, **target)
    client = UpstreamClient()
    findings: list[Finding] = []
    try:
        async for event in run_steps(opened, KINDS[opened.kind], level, models, client):
            if isinstance(event, Outcome):
                return Run(findings, event)
            findings.append(event)
    finally:
        await client.aclose()
    raise AssertionError("the steps ended without an outcome")
