"""The state folder: one owner at a time, secrets for its owner alone, logs that do not grow for ever."""

import os
import stat
import subprocess
import sys

import pytest

from config.stack import state as state_module
from config.stack.preflight import NotReady, check
from config.stack.state import State
from tests.waiting import wait_for

HOLDS_IT = """
import sys, time
from pathlib import Path
from config.stack.state import State
State(Path(sys.argv[1])).lock()
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLDS_IT, tmp_path], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_owner_is_told_who_the_first_is(tmp_path, holder):
    with pytest.raises(NotReady, match=rf"^Another bin/up \(process {holder.pid}\) uses {tmp_path}\."):
        State(tmp_path).lock()


def test_it_is_free_again_when_its_owner_was_killed(tmp_path, holder):
    holder.kill()
    holder.wait()
    os.close(State(tmp_path).lock())


def test_what_a_killed_predecessor_announced_is_withdrawn_before_the_next_start(tmp_path):
    State(tmp_path).announce("http://127.0.0.1:1", "key")
    check(port=None, state=tmp_path, key_file=None)
    assert not (tmp_path / "up.json").exists()


def test_what_a_running_one_announced_stays(tmp_path, holder):
    State(tmp_path).announce("http://127.0.0.1:1", "key")
    check(port=None, state=tmp_path, key_file=None)
    assert (tmp_path / "up.json").exists()


def test_what_it_keeps_belongs_to_its_owner(tmp_path):
    State(tmp_path).announce("http://127.0.0.1:1", "key")
    assert stat.S_IMODE((tmp_path / "up.json").stat().st_mode) == 0o600


def test_a_log_that_grew_too_long_is_cut_back_while_it_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(state_module, "LOG_MAX_BYTES", 10)
    state = State(tmp_path)
    log = state.logs / "web.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"a line that is long\n")
        state.cut_back_logs()
        writer.write(b"next\n")
    assert wait_for(log.read_text) == "next\n"
    assert log.with_suffix(".log.1").read_text() == "a line that is long\n"
