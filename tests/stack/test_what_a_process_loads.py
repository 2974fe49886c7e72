"""A worker starts without the views and the admin's pages; a web process has them before its first request."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

VIEWS, PAGES = "config.urls", "unfold.admin"
WORKER = """
from config.celery import app
import django
django.setup()
app.Worker(app=app, hostname="w@x", pool="solo", queues=["celery"])
"""
CHECKS = """
import django
django.setup()
from django.core import checks
checks.run_checks(tags=["admin"])
"""


def loaded(program: str) -> set[str]:
    """The names of all modules that a process has after it."""
    program += "\nimport json, sys\nprint(json.dumps(list(sys.modules)))"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    return set(json.loads(said.splitlines()[-1]))


def test_a_worker_loads_no_views_and_no_pages():
    modules = loaded(WORKER)

    assert "providers.tasks" in modules
    assert {VIEWS, PAGES} & modules == set()


def test_a_web_process_has_all_before_its_first_request():
    assert {VIEWS, PAGES} <= loaded("import config.asgi")


@pytest.mark.parametrize("page", ["providers.admin.provider", "tenants.admin.api_key"])
def test_the_checks_of_the_admin_see_its_pages(page):
    assert page in loaded(CHECKS)
