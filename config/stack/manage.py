"""`bin/manage [--state DIR] COMMAND …`: a management command with the settings of the stack that `bin/up` keeps there.

What the environment says stands. A stack that has never been up has no settings yet.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from config.stack.options import ROOT
from config.stack.state import State


def main(arguments: Sequence[str]) -> None:
    directory, command = _read(arguments)
    settings = State(directory).kept_environment() if directory.is_dir() else None
    if settings is None:
        sys.exit(f"There is no stack in {directory}: run bin/up --state {directory} first.")
    os.environ.update({name: value for name, value in settings.items() if name not in os.environ})
    os.environ["STATE_DIR"] = str(directory)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(["bin/manage", *command])


def _read(arguments: Sequence[str]) -> tuple[Path, Sequence[str]]:
    """Only what stands before the command is ours."""
    if arguments[:1] == ["--state"] and len(arguments) > 1:
        return Path(arguments[1]).absolute(), arguments[2:]
    if arguments and arguments[0].startswith("--state="):
        return Path(arguments[0].removeprefix("--state=")).absolute(), arguments[1:]
    return ROOT / "var", arguments


if __name__ == "__main__":
    main(sys.argv[1:])
