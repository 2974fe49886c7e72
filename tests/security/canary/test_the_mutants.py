"""With any one guard taken away, the sweep finds what that guard kept from view."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.security.canary.everything import drive
from tests.security.canary.haystacks import haystacks, report, sweep
from tests.security.canary.mutants import MUTANTS
from tests.security.canary.observed import observed
from tests.security.canary.planted import Plants

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@pytest.mark.parametrize("name", MUTANTS)
def test_the_sweep_goes_red_where(name: str, tmp_path: Path) -> None:
    plants = Plants()
    with observed(tmp_path, mutant=name) as stack:
        drive(stack, plants, MUTANTS[name].needs)
        searched = list(haystacks(stack))
    hits = sweep(searched, plants)

    assert MUTANTS[name].shows in {(hit.what, hit.sort) for hit in hits}, report(hits)


def test_there_are_at_least_ten() -> None:
    assert len(MUTANTS) >= 10
