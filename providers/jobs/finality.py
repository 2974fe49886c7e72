"""Terminal states are final in the database too: a trigger refuses what a mistake in our own SQL would do.

No migration makes it, for SQLite drops a table's triggers whenever a migration remakes the table. It is seen to after
every `migrate` instead.
"""

from __future__ import annotations

from typing import Any, Final

from django.db import connections

from providers.models import Job

_TERMINAL: Final = ", ".join(f"'{state}'" for state in Job.TERMINAL)
_CHANGES_AN_END: Final = f"OLD.state IN ({_TERMINAL}) AND NEW.state <> OLD.state"
_REFUSAL: Final = "An ended job never changes its state."

_POSTGRES: Final = f"""
CREATE OR REPLACE FUNCTION providers_job_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '{_REFUSAL}' USING ERRCODE = 'check_violation'; END $$;
CREATE OR REPLACE TRIGGER job_is_final BEFORE UPDATE OF state ON providers_job FOR EACH ROW
WHEN ({_CHANGES_AN_END}) EXECUTE FUNCTION providers_job_is_final();
"""
_SQLITE: Final = f"""
CREATE TRIGGER IF NOT EXISTS job_is_final BEFORE UPDATE OF state ON providers_job FOR EACH ROW
WHEN {_CHANGES_AN_END} BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END
"""


def see_to_it(using: str, **_signal: Any) -> None:
    """For `post_migrate`. Costs an update of `state` one comparison, and other updates nothing."""
    connection = connections[using]
    if Job._meta.db_table in connection.introspection.table_names():  # else migrated to before the first job
        with connection.cursor() as cursor:
            cursor.execute(_POSTGRES if connection.vendor == "postgresql" else _SQLITE)
