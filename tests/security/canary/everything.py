"""All flows, one after the other, against a server that repeats what it is sent."""

from __future__ import annotations

from collections.abc import Callable, Collection

from tests.security.canary import flows, people
from tests.security.canary.observed import Observed
from tests.security.canary.parrot import Parrot
from tests.security.canary.planted import Plants

FLOWS: dict[str, Callable[[flows.Drive], None]] = {
    "refused bodies": flows.refused_bodies,
    "unsaved forms": flows.unsaved_forms,
    "keys": flows.api_keys,
    "jobs": flows.jobs,
    "gateway": flows.gateway,
    "failing validations": flows.failing_validations,
    "rotations": flows.rotations,
    "people": people.join,
    "operators": people.operate,
    "exports": flows.exports,
}


def drive(stack: Observed, plants: Plants, names: Collection[str] = tuple(FLOWS)) -> dict[str, str]:
    """Register a provider and go through these flows; gives ids that are no secret, to be found again."""
    with Parrot() as server:
        flow = flows.begin(stack, server, plants)
        for name in names:
            FLOWS[name](flow)
        used = {request.key for request in server.ledger}
    assert used >= {plants.key.text, plants.admin_key.text}
    return flow.ids
