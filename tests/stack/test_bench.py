"""`bin/bench` judges what it measured against what must be reached, and says by how much a figure is missed."""

from __future__ import annotations

import subprocess
import sys

from benchmarks import gateway, live, revocation, throughput
from benchmarks.contenders import DIRECT, OURS, STARLETTE_FLOOR
from benchmarks.engines import POSTGRESQL, SQLITE
from benchmarks.must import verdicts
from benchmarks.peers import LITELLM
from benchmarks.record import Measured, Record


def judged(record: Record) -> dict[str, tuple[bool, str]]:
    return {one.figure: (one.is_reached, one.missed_by) for one in verdicts(record)}


def test_every_case_can_be_named():
    listed = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--list"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert {*gateway.NAMES, *throughput.NAMES, *live.NAMES, *revocation.NAMES} <= set(listed)
    assert len(listed) == len(set(listed))


def test_rates_are_judged_by_the_medians_of_their_rounds():
    record = Record()
    for ours, its, peers in ((100, 200, 10), (190, 200, 9), (5000, 200, 8)):  # one round was disturbed
        record.add(gateway.MANY, OURS, Measured(per_second=ours))
        record.add(gateway.MANY, STARLETTE_FLOOR, Measured(per_second=its))
        record.add(gateway.MANY, LITELLM, Measured(per_second=peers))

    found = judged(record)

    assert found[f"requests/s, c=32, against {STARLETTE_FLOOR}"] == (True, "")
    assert found[f"requests/s, c=32, against {LITELLM}"][0]


def test_added_time_leaves_out_what_the_model_server_takes_itself():
    record = Record()
    for server, ms in ((DIRECT, 5.0), (OURS, 7.0), (LITELLM, 15.0)):
        record.add(gateway.FIRST_TOKEN, server, Measured(p50_ms=ms, p99_ms=ms))

    assert judged(record)[f"added time to first token, p50, against {LITELLM}"] == (False, "67%")


def test_each_database_has_its_own_bound():
    record = Record()
    for engine in (SQLITE, POSTGRESQL):
        record.add(f"{throughput.END_TO_END}, {engine}", OURS, Measured(per_second=1500))
        record.add(f"{throughput.END_TO_END}, {engine}", throughput.EMPTY_TASK, Measured(per_second=1000))

    found = judged(record)

    assert found[f"{throughput.END_TO_END}, {SQLITE}, against {throughput.EMPTY_TASK}"] == (False, "25%")
    assert found[f"{throughput.END_TO_END}, {POSTGRESQL}, against {throughput.EMPTY_TASK}"] == (True, "")


def test_one_lost_frame_is_a_miss():
    record = Record()
    record.add(gateway.FRAMES, OURS, Measured(errors=1))

    assert judged(record)["streams with frames lost or out of order"] == (False, "1")


def test_a_revoked_key_may_be_taken_for_a_second():
    record = Record(facts={revocation.LONGEST: 1200.0})

    assert judged(record)[revocation.REVOKED] == (False, "20%")
