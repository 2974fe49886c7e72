"""Every setting read from the environment stands in docs/operations.md and in .env.example."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
READS = re.compile(r"""(?:env(?:\.\w+)?|comma_list|os\.environ\.get|environ\.get)\(\s*"([A-Z][A-Z0-9_]+)\"""")
PROCESS_WIDE = {"CI", "PATH", "HOME", "DJANGO_SETTINGS_MODULE", "TERM", "NO_COLOR"}


def settings_read() -> set[str]:
    files = [*ROOT.glob("config/**/*.py"), *ROOT.glob("tenants/**/*.py"), *ROOT.glob("providers/**/*.py")]
    return {name for path in files for name in READS.findall(path.read_text())} - PROCESS_WIDE


@pytest.mark.parametrize("name", sorted(settings_read()))
def test_the_setting_is_documented(name):
    assert f"`{name}`" in (ROOT / "docs/operations.md").read_text(), "docs/operations.md"
    assert re.search(rf"^#?\s*{name}=", (ROOT / ".env.example").read_text(), re.M), ".env.example"
