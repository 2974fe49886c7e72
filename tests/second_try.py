"""Tests that failed, once more, in a process of their own and with the machine to themselves.

`python -m tests.second_try CACHE [option …]`: CACHE is what pytest was given as `cache_dir`. Ends with 0 if all pass
now; their names are then in CACHE/second-tries, a line each. Why: docs/adr/0017-a-second-try.md.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

MOST = 5  # more than these is no accident
NEVER = ("tests/security/", "tests/guards/")  # a secret that was shown once was shown
GROUP = re.compile(r"@[^\]]+$")  # pytest-xdist puts a test's group behind its name


def main(cache: Path, options: list[str]) -> int:
    names = failed(cache)
    if not 0 < len(names) <= MOST or any(name.startswith(NEVER) for name in names):
        return 1
    print("── once more, alone:", *names, sep="\n   ", flush=True)
    code = subprocess.run([sys.executable, "-m", "pytest", *options, *names], check=False).returncode
    if code == 0:
        (cache / "second-tries").write_text("".join(f"{name}\n" for name in names))
    return code


def failed(cache: Path) -> list[str]:
    found = cache / "v" / "cache" / "lastfailed"
    return [GROUP.sub("", name) for name in json.loads(found.read_text())] if found.exists() else []


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
