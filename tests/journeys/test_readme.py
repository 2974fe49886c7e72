"""The README's curl session works as printed."""

import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def session() -> str:
    readme = (ROOT / "README.md").read_text()
    block = re.search(r"<!-- session:.*?-->\n```bash\n(.*?)```", readme, re.DOTALL)
    assert block, "the README has no session"
    return block.group(1)


def test_the_session_runs_as_printed(stack, tmp_path):
    (tmp_path / "var").mkdir()
    shutil.copy(stack.state / "up.json", tmp_path / "var/up.json")

    done = subprocess.run(["bash", "-euc", session()], cwd=tmp_path, capture_output=True, text=True, timeout=300)

    assert done.returncode == 0, done.stderr
    assert f'"slug":"{stack.tenant}"' in done.stdout.replace('": "', '":"')
    assert "event: delta" in done.stdout
    assert done.stdout.count("event: done") == 1
    assert "data: [DONE]" in done.stdout
    assert '"embedding"' in done.stdout
