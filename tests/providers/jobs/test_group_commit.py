"""What arrives together shares one commit; each gets its own answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from providers.jobs.group_commit import GroupCommit
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


class Ledger:
    """Counts batches; `gate` holds a commit up."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = threading.Event()
        self.gate.set()

    def commit(self, items: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(items))
        self.gate.wait(60)
        if 13 in items:
            raise ConnectionError("the database is away")
        return [ValueError("odd") if item == 7 else item * 2 for item in items]


async def test_one_alone_is_written_at_once():
    ledger = Ledger()

    assert await GroupCommit(ledger.commit, name="test", most=10).add(1) == 2
    assert ledger.batches == [[1]]


async def test_those_who_come_during_a_commit_share_the_next():
    ledger = Ledger()
    group = GroupCommit(ledger.commit, name="test", most=10)
    ledger.gate.clear()
    first = asyncio.create_task(group.add(1))
    await wait_until(lambda: ledger.batches)
    others = [asyncio.create_task(group.add(item)) for item in (2, 3, 4)]
    await asyncio.sleep(0)
    ledger.gate.set()

    assert await asyncio.gather(first, *others) == [2, 4, 6, 8]
    assert ledger.batches == [[1], [2, 3, 4]]


async def test_a_batch_has_its_limit():
    ledger = Ledger()
    group = GroupCommit(ledger.commit, name="test", most=2)

    await asyncio.gather(*(group.add(item) for item in range(5)))

    assert [len(batch) for batch in ledger.batches] == [2, 2, 1]


async def test_an_error_belongs_to_its_own_item():
    group = GroupCommit(Ledger().commit, name="test", most=10)

    good, odd = await asyncio.gather(group.add(1), group.add(7), return_exceptions=True)

    assert good == 2
    assert isinstance(odd, ValueError)


async def test_a_commit_that_fails_fails_for_all_of_it_and_not_for_the_next():
    group = GroupCommit(Ledger().commit, name="test", most=10)

    failed = await asyncio.gather(group.add(13), group.add(1), return_exceptions=True)

    assert [type(error) for error in failed] == [ConnectionError, ConnectionError]
    assert await group.add(1) == 2


async def test_whoever_leaves_early_holds_nobody_up():
    ledger = Ledger()
    group = GroupCommit(ledger.commit, name="test", most=10)
    ledger.gate.clear()
    leaving = asyncio.create_task(group.add(1))
    await wait_until(lambda: ledger.batches)
    leaving.cancel()
    ledger.gate.set()

    assert await group.add(2) == 4
