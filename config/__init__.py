"""The project. Imported before anything of Django, however the process was started."""

import sys

try:  # SQLite older than 3.51.3 can corrupt a WAL database under several writers: sqlite.org/wal.html#walresetbug
    import pysqlite3
except ImportError:  # config.checks then warns, and settings fall back to the DELETE journal
    pass
else:
    sys.modules["sqlite3"] = pysqlite3
    sys.modules["sqlite3.dbapi2"] = pysqlite3.dbapi2

from config.celery import app as celery_app

__all__ = ["celery_app"]
