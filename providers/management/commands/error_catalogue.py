from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

import providers.errors  # noqa: F401 - it fills the catalogue
from tenants.codes import CATALOGUE, Code

HEAD = """# Error codes

Made by `python manage.py error_catalogue > docs/errors.md`; a test compares. `code` is stable: its status, whose fault
it is and what to do next do not change within v1. The control plane answers `application/problem+json`, the data plane
OpenAI's `{"error": …}`; jobs and validation runs carry the same codes in their rows.

| code | status | whose | retry | what it says | what to do |
|---|---|---|---|---|---|
"""


class Command(BaseCommand):
    help = "Print every code that a caller can meet, as the Markdown of docs/errors.md."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(HEAD + "\n".join(_row(CATALOGUE[code]) for code in sorted(CATALOGUE)))


def _row(code: Code) -> str:
    retry = "yes" if code.retryable else "no"
    return f"| `{code.code}` | {code.status} | {code.whose} | {retry} | {code.title} | {code.remedy} |"
