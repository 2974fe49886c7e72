"""Settings from the environment: `NAME`, or `NAME_FILE` naming a file that holds the value."""

from __future__ import annotations

from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured
from environ.fileaware_mapping import FileAwareMapping


class AsWritten(FileAwareMapping):
    """Values as they are: without the newline that ends a file, and `$` means a dollar.

    django-environ takes a value that begins with `$` for the name of another variable, unless each is escaped.
    """

    def __getitem__(self, key: str) -> str:
        try:
            value: str = super().__getitem__(key)
        except OSError as fault:
            raise ImproperlyConfigured(f"{key}_FILE names a file that cannot be read: {fault}") from None
        return value.rstrip("\r\n").replace("$", r"\$")


class Settings(environ.Env):
    ENVIRON = AsWritten()


env = Settings()
env.escape_proxy = True
verbatim = environ.Env()  # for names whose `_FILE` is a setting of its own


def comma_list(name: str, default: str = "") -> list[str]:
    return [item.strip() for item in env.str(name, default).split(",") if item.strip()]


def state_dir(default: Path) -> Path:
    return Path(env.str("STATE_DIR", str(default))).resolve()
