"""A task does not begin on a connection that is dead or has had its time."""

import pytest
from django.db import connection

from providers.tasks import sum_usage

pytestmark = pytest.mark.django_db(transaction=True)


def kept():
    connection.ensure_connection()
    return connection.connection


def test_a_thread_keeps_its_connection_from_task_to_task():
    before = kept()

    sum_usage.apply(throw=True)

    assert kept() is before


def test_a_connection_that_failed_and_does_not_answer_is_replaced(monkeypatch):
    before = kept()
    connection.errors_occurred = True
    monkeypatch.setattr(connection, "is_usable", lambda: False)  # as after a restart of PostgreSQL

    sum_usage.apply(throw=True)

    assert kept() is not before
