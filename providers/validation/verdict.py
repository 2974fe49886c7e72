"""The end of a run: its result, the provider's state, what was learnt of models, all in one transaction.

Everything hangs on one conditional update under the claim's token: a worker that lost its claim changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.utils import timezone

from providers import breakers, credentials, discovery
from providers.credentials import current_credential
from providers.errors import LostClaim
from providers.invalidation import invalidate
from providers.kinds.facts import FoundModel, ProbeResult
from providers.locks import provider_locked
from providers.models import Credential, Provider, ValidationRun
from providers.untrusted import storable
from providers.validation import claims, model_health
from providers.validation.claims import Claim
from providers.validation.runs import no_longer_validating
from providers.validation.states import STATE_OF_CODE
from tenants.codes import CATALOGUE

State = ValidationRun.State
Level = ValidationRun.Level

# States that a run which opened the credential and passed at a low level leaves behind it.
UNSETTLED: Final = (Provider.State.VALIDATING, Provider.State.UNDECRYPTABLE)


@dataclass(frozen=True)
class Ending:
    """What a run found out. `diagnosis` None: it passed. `found` None: it did not come to list the models."""

    steps: Sequence[Mapping[str, Any]]
    diagnosis: Mapping[str, Any] | None = None
    server: Mapping[str, Any] = field(default_factory=dict)
    found: Sequence[FoundModel] | None = None
    probed: Sequence[ProbeResult] = ()

    @property
    def code(self) -> str | None:
        return None if self.diagnosis is None else str(self.diagnosis["code"])


def conclude(held: Claim, ending: Ending) -> None:
    """Write the run's end and all that follows from it. Raises LostClaim; then nothing is written."""
    run = claims.rows(held).select_related("credential").first()
    if run is None:
        raise LostClaim(str(held.run_id))
    with provider_locked(run.tenant_id, run.provider_id) as provider:
        if not claims.rows(held).update(**_last_values(ending)):
            raise LostClaim(str(held.run_id))
        if provider is not None:
            _settle(provider, run, ending)


def told_by_us(code: str, message: str | None = None) -> dict[str, str]:
    """A diagnosis that no step made: the fault is on our side of the wire."""
    return {"code": code, "message": message or CATALOGUE[code].title, "remedy": CATALOGUE[code].remedy}


def _last_values(ending: Ending) -> dict[str, Any]:
    return {
        "state": State.PASSED if ending.diagnosis is None else State.FAILED,
        "steps": storable(ending.steps),
        "diagnosis": storable(ending.diagnosis),
        "server": storable(ending.server),
        "finished_at": timezone.now(),
        "form_secrets": None,
        "lease_until": None,
    }


def _settle(provider: Provider, run: ValidationRun, ending: Ending) -> None:
    tried = run.credential or current_credential(provider)
    is_staged = run.credential is not None
    _note_on_credential(tried, ending, is_staged=is_staged)
    if ending.found is not None:
        discovery.store_result(provider, ending.found)
    model_health.note_findings(provider, ending.steps, ending.probed)
    if is_staged and ending.diagnosis is not None:
        no_longer_validating(provider.tenant_id, provider.id)  # the active credential is as good as it was
        return
    _wake(provider, run.level, ending)
    provider.server = storable(ending.server) or provider.server
    _move(provider, state_after(run.level, ending, before=provider.state), ending.code)


def _wake(provider: Provider, level: str, ending: Ending) -> None:
    """What has just been seen to be well rests no longer. A lower level leaves it, as it leaves the state."""
    if ending.diagnosis is None and level in (Level.MODELS, Level.INFER):
        breakers.close(provider.id, *model_health.well(provider, ending.steps))


def _note_on_credential(tried: Credential | None, ending: Ending, *, is_staged: bool) -> None:
    if tried is None:
        return
    if ending.code == "undecryptable":
        credentials.mark_undecryptable(tried.tenant_id, tried.id)
        return
    credentials.mark_tried(tried, error=ending.code, is_staged=is_staged)
    if is_staged and ending.diagnosis is None and tried.state == Credential.State.STAGED:
        credentials.promote(tried)


def state_after(level: str, ending: Ending, *, before: str) -> str:
    """The provider's state after a run: passed at `models` or above is healthy, lower leaves what was known."""
    if ending.code is not None:
        return STATE_OF_CODE.get(ending.code, Provider.State.DEGRADED)
    if level in (Level.MODELS, Level.INFER):
        return Provider.State.HEALTHY
    return Provider.State.UNVERIFIED if before in UNSETTLED else before


def _move(provider: Provider, state: str, code: str | None) -> None:
    """Store the state; `state_since` moves only with it. Other processes hear of it where dispatch depends on it."""
    if provider.state != state:
        if Provider.State.UNDECRYPTABLE in (provider.state, state):
            invalidate(provider.tenant_id)
        provider.state, provider.state_since = state, timezone.now()
        provider.state_reason = code
    elif code is not None:
        provider.state_reason = code
    provider.save(update_fields=["state", "state_reason", "state_since", "server"])
