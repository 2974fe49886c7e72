"""docs/diagnosis.md is what a person reads when a validation fails: it says what the answers say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from providers.codes import DATA_PLANE
from providers.diagnosis_codes import DIAGNOSES
from providers.errors import ProviderError
from tenants.codes import CATALOGUE

PAGE = Path(__file__).resolve().parents[3] / "docs" / "diagnosis.md"

SECTIONS = {
    heading: " ".join(text.split())
    for heading, text in re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
}


def test_every_code_has_its_section_in_the_order_of_the_contract() -> None:
    assert tuple(SECTIONS) == DIAGNOSES


@pytest.mark.parametrize("code", DIAGNOSES)
def test_a_section_begins_with_the_title_and_ends_with_the_remedy(code: str) -> None:
    entry = CATALOGUE[code]

    assert SECTIONS[code].startswith(entry.title)
    assert "**Cause.**" in SECTIONS[code]
    assert SECTIONS[code].endswith(f"**Remedy.** {entry.remedy}" if entry.remedy else "")


@pytest.mark.parametrize("code", DIAGNOSES[1:])
def test_every_failure_tells_what_to_do_next(code: str) -> None:
    assert len(CATALOGUE[code].remedy) > 30


def test_every_subclass_names_a_code_of_the_catalogue() -> None:
    unknown = [kind.CODE for kind in _all_subclasses(ProviderError) if kind.CODE and kind.CODE not in CATALOGUE]

    assert unknown == []


def test_what_the_data_plane_shows_instead_stands_in_the_catalogue_too() -> None:
    assert {*DATA_PLANE, *DATA_PLANE.values()} <= set(CATALOGUE)


def _all_subclasses(kind: type[ProviderError]) -> list[type[ProviderError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in _all_subclasses(child))]
