"""A worker whose loop hangs or has died ends itself, and the supervisor starts it again."""

import subprocess
import sys

import pytest

PROCESS = """
import os, threading, time
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django; django.setup()
from config import worker
from providers import worker_loop
worker.LOOK_SECONDS, worker.HANG_SECONDS = 0.05, 0.5
loop = worker_loop.loop()
watch = threading.Thread(target=worker._watch, args=(threading.Event(),))
watch.start()
loop.call_soon_threadsafe({what})
watch.join(60)
"""


@pytest.mark.parametrize("what", ["lambda: time.sleep(600)", "loop.stop"], ids=["hangs", "has died"])
def test_it_ends_with_a_status_of_its_own(what):
    ended = subprocess.run(
        [sys.executable, "-c", PROCESS.format(what=what)], capture_output=True, text=True, timeout=110
    )
    assert ended.returncode == 70
    assert "loop_is_gone" in ended.stderr
