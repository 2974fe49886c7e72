"""docs/errors.md is the catalogue, and every code tells the reader the next step."""

import io
from pathlib import Path

import pytest
from django.core.management import call_command

import providers.errors  # noqa: F401 - it fills the catalogue
from tenants.codes import CATALOGUE

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_is_the_catalogue():
    printed = io.StringIO()
    call_command("error_catalogue", stdout=printed)
    assert (ROOT / "docs/errors.md").read_text() == printed.getvalue()


@pytest.mark.parametrize("code", sorted(set(CATALOGUE) - {"ok"}))
def test_the_code_has_a_remedy(code):
    assert CATALOGUE[code].remedy.endswith(".")
