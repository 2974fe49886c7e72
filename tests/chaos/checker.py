"""What must hold after every scenario, whatever was done: the invariants I1 to I5 over history, ledger and row log.

Pure: evidence in, findings out. I6 to I8 look at processes, servers and logs: aftermath.py.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.chaos.history import Entry
from tests.chaos.row_log import RowChange
from tests.chaos.upstream import Call, origins_in

TERMINAL: Final = frozenset({"succeeded", "failed", "cancelled", "expired", "dead"})
LATE_SECONDS: Final = 60.0
CRASHES_OF_THE_DEAD: Final = 3
SAME_MOMENT_SECONDS: Final = 0.05  # two processes write down one moment


@dataclass(frozen=True)
class Row:
    """A job as the database has it at the end."""

    job: str
    tenant: str
    state: str
    attempt: int
    crashes: int
    text: str | None  # of the result, opened
    finished_at: float | None
    deadline_at: float
    usage: tuple[str, ...]  # how each usage record says it ended
    error_code: str | None = None


@dataclass(frozen=True)
class Evidence:
    accepted: Sequence[Entry]
    streams: Sequence[Entry]
    calls: Sequence[Call]
    changes: Sequence[RowChange]
    rows: Sequence[Row]
    canaries: Sequence[str] = ()
    where_canaries_stand: Sequence[str] = ()
    by_job: dict[str, Row] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.by_job.update({row.job: row for row in self.rows})


def findings(evidence: Evidence) -> list[str]:
    """Empty when all is well; each line begins with the invariant that does not hold."""
    return [f"{name}: {finding}" for name, check in CHECKS.items() for finding in check(evidence)]


def _every_job_ends_once(evidence: Evidence) -> Iterator[str]:
    ends = Counter(change.job for change in evidence.changes if _is_end(change))
    for entry in evidence.accepted:
        row = evidence.by_job.get(_hex(entry.facts["job"]))
        if row is None:
            yield f"{entry.nonce} was accepted and is not in the database"
        elif row.state not in TERMINAL:
            yield f"{entry.nonce} is still {row.state}"
        elif ends[row.job] != 1:
            yield f"{entry.nonce} ended {ends[row.job]} times"
        elif row.finished_at is None or row.finished_at > row.deadline_at + LATE_SECONDS:
            yield f"{entry.nonce} ended too long after its deadline"
        elif row.state == "dead" and row.crashes < CRASHES_OF_THE_DEAD:
            yield f"{entry.nonce} is dead after {row.crashes} crashes"


def _every_end_is_seen_once(evidence: Evidence) -> Iterator[str]:
    calls = defaultdict(list)
    for call in evidence.calls:
        calls[call.nonce].append(call)
    jobs = Counter(entry.nonce for entry in evidence.accepted)
    for entry in evidence.accepted:
        row = evidence.by_job.get(_hex(entry.facts["job"]))
        if row is None:
            continue
        if len(calls[entry.nonce]) > row.attempt and jobs[entry.nonce] == 1:
            yield f"{entry.nonce} was executed {len(calls[entry.nonce])} times in {row.attempt} attempts"
        if len(row.usage) > 1:
            yield f"{entry.nonce} has {len(row.usage)} usage records"
        if row.usage and row.state in ("succeeded", "cancelled") and row.usage != (row.state,):
            yield f"{entry.nonce} is {row.state}, and its usage says {row.usage[0]}"
        if row.state == "succeeded":
            yield from _result(entry, row, calls[entry.nonce])
    for stream in evidence.streams:
        yield from _stream(stream, evidence.by_job.get(_hex(stream.facts["job"])))


def _result(entry: Entry, row: Row, calls: Sequence[Call]) -> Iterator[str]:
    origins = origins_in(row.text or "")
    if not row.usage:
        yield f"{entry.nonce} succeeded and is on no bill"
    if len(origins) != 1:
        yield f"{entry.nonce} succeeded with the text of {len(origins)} calls"
        return
    call = next((one for one in calls if one.number == origins[0].call), None)
    if call is None:
        yield f"{entry.nonce} succeeded with a text that the upstream never sent for it"
    elif call.ended_at is None:
        yield f"{entry.nonce} succeeded with the text of a call that was cut"


def _stream(entry: Entry, row: Row | None) -> Iterator[str]:
    facts = entry.facts
    if facts["dones"] != 1 or not facts["is_done_last"]:
        yield f"{entry.nonce}'s reader saw {facts['dones']} ends, or one that was not the last"
    elif row is not None and facts["done"]["state"] != row.state:
        yield f"{entry.nonce}'s reader was told {facts['done']['state']}, its row says {row.state}"
    elif row is not None and row.state == "succeeded" and not facts["gaps"] and facts["text"] != row.text:
        yield f"{entry.nonce}'s reader has another text than its row"


def _no_stale_write(evidence: Evidence) -> Iterator[str]:
    claimed_at: dict[str, float] = {}
    started_at = {call.number: call.started_at for call in evidence.calls}
    for change in evidence.changes:
        if change.state_before in TERMINAL and change.state != change.state_before:
            yield f"job {change.job} went from {change.state_before} to {change.state}"
        if change.token < change.token_before:
            yield f"the token of job {change.job} went back"
        if change.state == "running" and change.token > change.token_before:
            claimed_at[change.job] = change.at
        row = evidence.by_job.get(change.job)
        if change.state == "succeeded" and row is not None:
            for origin in origins_in(row.text or ""):
                begun = started_at.get(origin.call, change.at)
                if begun < claimed_at.get(change.job, 0.0) - SAME_MOMENT_SECONDS:
                    yield f"the result of job {change.job} comes from a call of an attempt that had lost its lease"


def _no_secret_elsewhere(evidence: Evidence) -> Iterator[str]:
    yield from evidence.where_canaries_stand


def _no_foreign_bytes(evidence: Evidence) -> Iterator[str]:
    markers = {_hex(entry.facts["job"]): (entry.facts["marker"], entry.nonce) for entry in evidence.accepted}
    texts: list[tuple[str, Any]] = [(row.job, row.text) for row in evidence.rows]
    texts += [(_hex(stream.facts["job"]), stream.facts["text"]) for stream in evidence.streams]
    for job, text in texts:
        for origin in origins_in(text or ""):
            if job in markers and (origin.marker, origin.nonce) != markers[job]:
                yield f"{markers[job][1]} shows what was answered to {origin.marker} {origin.nonce}"


CHECKS: Final[dict[str, Callable[[Evidence], Iterator[str]]]] = {
    "I1": _every_job_ends_once,
    "I2": _every_end_is_seen_once,
    "I3": _no_stale_write,
    "I4": _no_secret_elsewhere,
    "I5": _no_foreign_bytes,
}


def _is_end(change: RowChange) -> bool:
    return change.state in TERMINAL and change.state_before not in TERMINAL


def _hex(job: str) -> str:
    return job.replace("-", "")
