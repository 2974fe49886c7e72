"""The checker finds what a broken system would do: one fault is put into good evidence, and named by its invariant."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.aftermath import errors_in
from tests.chaos.checker import Evidence, Row, findings
from tests.chaos.history import Entry
from tests.chaos.row_log import RowChange
from tests.chaos.upstream import Call

JOB = "01890000000070008000000000000001"
TEXT = "[from acme n1 call 2] w1"
ROW = Row(JOB, "acme", "succeeded", 2, 1, TEXT, finished_at=110.0, deadline_at=3700.0, usage=("succeeded",))
FIRST = Call(1, "n1", "ok", 1, started_at=100.2, aborted_at=103.0)
SECOND = Call(2, "n1", "ok", 2, started_at=108.2, ended_at=109.0)
READING = {"job": JOB, "text": TEXT, "gaps": 0, "dones": 1, "is_done_last": True, "done": {"state": "succeeded"}}


def change(at: float, before: str, after: str, token_before: int, token: int) -> RowChange:
    return RowChange(at, JOB, before, after, token_before, token, "", 1, 0, 0)


CHANGES = (
    change(100.0, "queued", "running", 0, 1),
    change(105.0, "running", "queued", 1, 2),
    change(108.0, "queued", "running", 2, 3),
    change(110.0, "running", "succeeded", 3, 3),
)


def evidence(**other: Any) -> Evidence:
    facts: dict[str, Any] = {
        "accepted": [Entry(99.0, "accepted", "n1", {"job": JOB, "tenant": "acme", "marker": "acme"})],
        "streams": [Entry(111.0, "stream", "n1", READING)],
        "calls": [FIRST, SECOND],
        "changes": CHANGES,
        "rows": [ROW],
    }
    return Evidence(**{**facts, **other})


def told(**reading: Any) -> list[Entry]:
    return [Entry(111.0, "stream", "n1", {**READING, **reading})]


def test_a_job_that_lost_a_worker_and_ended_well_is_fine():
    assert findings(evidence()) == []


@pytest.mark.parametrize(
    ("invariant", "other"),
    [
        ("I1: n1 was accepted and is not in the database", {"rows": []}),
        ("I1: n1 is still running", {"rows": [replace(ROW, state="running")], "streams": []}),
        ("I1: n1 ended 2 times", {"changes": (*CHANGES, replace(CHANGES[3], job=JOB))}),
        ("I1: n1 ended too long after its deadline", {"rows": [replace(ROW, finished_at=3800.0)]}),
        ("I1: n1 is dead after 1 crashes", {"rows": [replace(ROW, state="dead")], "streams": []}),
        ("I2: n1 was executed 3 times in 2 attempts", {"calls": [FIRST, SECOND, replace(SECOND, number=3)]}),
        ("I2: n1 has 2 usage records", {"rows": [replace(ROW, usage=("succeeded", "succeeded"))]}),
        ("I2: n1 is succeeded, and its usage says cancelled", {"rows": [replace(ROW, usage=("cancelled",))]}),
        ("I2: n1 succeeded and is on no bill", {"rows": [replace(ROW, usage=())]}),
        ("I2: n1 succeeded with the text of 2 calls", {"rows": [replace(ROW, text=TEXT * 2)], "streams": []}),
        ("I2: n1 succeeded with the text of a call that was cut", {"calls": [FIRST, replace(SECOND, ended_at=None)]}),
        ("I2: n1 succeeded with a text that the upstream never sent", {"calls": [FIRST]}),
        ("I2: n1's reader saw 2 ends", {"streams": told(dones=2)}),
        ("I2: n1's reader was told failed", {"streams": told(done={"state": "failed"})}),
        ("I2: n1's reader has another text", {"streams": told(text=TEXT + TEXT[-3:])}),
        ("I3: the result of job", {"calls": [FIRST, replace(SECOND, started_at=104.0)]}),
        ("I3: job", {"changes": (*CHANGES, change(112.0, "succeeded", "queued", 3, 4))}),
        ("I3: the token of job", {"changes": (*CHANGES, change(112.0, "succeeded", "succeeded", 3, 1))}),
        ("I4: Redis holds a secret", {"where_canaries_stand": ["Redis holds a secret in b'x'"]}),
        ("I5: n1 shows what was answered to globex", {"rows": [replace(ROW, text=TEXT.replace("acme", "globex"))]}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_found(invariant: str, other: dict[str, Any]):
    assert any(finding.startswith(invariant) for finding in findings(evidence(**other)))


def test_tracebacks_are_found_in_structured_lines_and_beside_them():
    log = (
        '{"event": "x", "exception": "Traceback (most recent call last):\\n  File\\nredis.TimeoutError: no"}\n'
        "Traceback (most recent call last):\n  File x\nValueError: y\n"
        '{"event": "no traceback here"}\n'
    )
    assert errors_in(log) == {"TimeoutError", "ValueError"}
