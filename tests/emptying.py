"""What a test that commits leaves behind is deleted row by row: there are few, and TRUNCATE of all tables takes fifteen
times as long. Content types and permissions stay, so that nothing need make them again."""

from __future__ import annotations

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import TransactionTestCase

STAYS = {"django_migrations", "django_content_type", "auth_permission"}


def empty_all(test: type[TransactionTestCase] | TransactionTestCase) -> None:
    for name in test._databases_names(include_mirrors=False):
        empty(connections[name])


def empty(connection: BaseDatabaseWrapper) -> None:
    tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
    words = [f"DELETE FROM {connection.ops.quote_name(table)}" for table in tables if table not in STAYS]
    if connection.vendor == "postgresql":  # without looking at foreign keys, so in any order
        words = [f"BEGIN; SET LOCAL session_replication_role = replica; {'; '.join(words)}; COMMIT"]
    with connection.constraint_checks_disabled(), connection.cursor() as cursor:
        for word in words:
            cursor.execute(word)
