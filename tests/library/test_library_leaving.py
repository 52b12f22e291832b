"""A run that is left early sends nothing more; what is in flight is awaited, or given up aloud."""

from __future__ import annotations

import asyncio
import subprocess
from collections import Counter
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import anyio
import pytest

import qwenbatch
from qwenbatch import Item, LedgerBusyError, StopReason, UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from qwenbatch import Batch
    from tests.library.conftest import Program, Studio

LATENCY = (0.6, 0.6)


def left(batch: Batch) -> tuple[str | None, int, int]:
    """Why the last run stopped, how many items it saved, and how many are uncertain."""
    summary = batch.summary
    return summary.stopped_by, summary.items.saved, summary.items.uncertain


def test_a_break_sends_nothing_more_and_awaits_what_is_in_flight(
    studio_with: Callable[..., Studio],
) -> None:
    studio = studio_with(latency=LATENCY)

    async def main() -> Batch:
        settings = studio.settings(concurrency=2)
        async with qwenbatch.open(studio.out, settings) as batch:
            async for _ in batch.run(studio.items(9)):
                break
            # Even while the block goes on.
            await asyncio.sleep(3 * LATENCY[0])
            assert studio.house.posts() <= 4
        return batch

    reason, saved, uncertain = left(asyncio.run(main()))
    assert (reason, uncertain) == (StopReason.INTERRUPTED, 0)
    assert saved == studio.house.posts() == studio.house.billed().total() < 9


def test_an_exception_in_the_block_is_raised_once_what_is_in_flight_is_recorded(
    studio_with: Callable[..., Studio],
) -> None:
    studio = studio_with(latency=LATENCY)
    opened: list[Batch] = []

    async def main() -> None:
        settings = studio.settings(concurrency=2)
        async with qwenbatch.open(studio.out, settings) as batch:
            opened.append(batch)
            async for _ in batch.run(studio.items(9)):
                raise LookupError("no such shoe")

    with pytest.raises(LookupError, match="no such shoe"):
        asyncio.run(main())
    _, saved, uncertain = left(opened[0])
    assert (saved, uncertain) == (studio.house.posts(), 0)


async def cancel(studio: Studio, opened: list[Batch], *, flying: int, times: int) -> None:
    """Cancel a task while so many edits are in flight, so many times, and await it."""

    async def edit() -> None:
        settings = studio.settings(concurrency=flying)
        async with qwenbatch.open(studio.out, settings) as batch:
            opened.append(batch)
            async for _ in batch.run(studio.items(9)):
                pass

    task = asyncio.create_task(edit())
    await studio.wait_in_flight(flying)
    for _ in range(times):
        task.cancel()
        await asyncio.wait([task], timeout=0.1)
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_cancelled_task_awaits_what_is_in_flight(studio_with: Callable[..., Studio]) -> None:
    studio = studio_with(latency=LATENCY)
    opened: list[Batch] = []
    asyncio.run(cancel(studio, opened, flying=3, times=1))
    assert left(opened[0]) == (StopReason.INTERRUPTED, 3, 0)
    assert studio.house.posts() == 3


def test_a_task_that_is_cancelled_again_gives_up_what_is_in_flight_as_uncertain(
    slow_studio: Studio,
) -> None:
    opened: list[Batch] = []
    asyncio.run(cancel(slow_studio, opened, flying=3, times=2))
    assert left(opened[0]) == (StopReason.INTERRUPTED, 0, 3)
    assert opened[0].summary.cost.exposure == 3 * 55_000
    assert slow_studio.house.posts() == 3


def test_a_scope_that_is_cancelled_awaits_what_is_in_flight(
    studio_with: Callable[..., Studio],
) -> None:
    studio = studio_with(latency=LATENCY)

    async def main() -> Batch:
        async with qwenbatch.open(studio.out, studio.settings(concurrency=3)) as batch:
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(iterate, batch)
                    await studio.wait_in_flight(3)
                    scope.cancel()
        return batch

    async def iterate(batch: Batch) -> None:
        async for _ in batch.run(studio.items(9)):
            pass

    assert left(asyncio.run(main())) == (StopReason.INTERRUPTED, 3, 0)


def test_a_scope_around_the_block_awaits_what_is_in_flight(
    studio_with: Callable[..., Studio],
) -> None:
    studio = studio_with(latency=LATENCY)
    opened: list[Batch] = []

    async def edit(scope: anyio.CancelScope) -> None:
        with scope:
            async with qwenbatch.open(studio.out, studio.settings(concurrency=3)) as batch:
                opened.append(batch)
                async for _ in batch.run(studio.items(9)):
                    pass

    async def main() -> None:
        scope = anyio.CancelScope()
        async with anyio.create_task_group() as group:
            group.start_soon(edit, scope)
            await studio.wait_in_flight(3)
            scope.cancel()

    asyncio.run(main())
    assert left(opened[0]) == (StopReason.INTERRUPTED, 3, 0)


def test_runs_of_one_batch_follow_each_other_and_two_at_once_are_refused(
    studio_with: Callable[..., Studio],
) -> None:
    studio = studio_with(latency=(0.2, 0.2))

    async def main() -> None:
        async with qwenbatch.open(studio.out, studio.settings(concurrency=1)) as batch:
            with pytest.raises(UsageError, match="no run has ended"):
                _ = batch.summary
            first = batch.run(studio.items(4))
            await anext(first)
            with pytest.raises(UsageError, match="a run of this batch is going on"):
                await anext(batch.run(studio.items(1)))
            await first.aclose()
            # One that was left is brought to its end before the next begins.
            told = [outcome.number async for outcome in batch.run(studio.items(4))]
            assert sorted(told) == [1, 2, 3, 4]
            assert batch.summary.stopped_by is None
        with pytest.raises(UsageError, match="outside of its block"):
            await anext(batch.run(studio.items(1)))

    asyncio.run(main())
    assert studio.house.posts() == 4


def test_leaving_while_items_are_still_awaited_ends_at_once(studio: Studio) -> None:
    picture = studio.picture("a.png")

    async def never() -> AsyncIterator[Item]:
        yield Item(picture, "mirror")
        await asyncio.Event().wait()

    def endless() -> Iterator[Item]:
        for number in count():
            yield Item(picture, f"mirror {number}")

    async def main() -> None:
        async with qwenbatch.open(studio.out, studio.settings()) as batch:
            for items in (never(), endless()):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(anext(batch.run(items)), 0.3)
        assert left(batch) == (StopReason.INTERRUPTED, 0, 0)

    asyncio.run(main())
    assert studio.house.posts() == 0


def test_a_ledger_that_another_run_holds_is_refused(studio: Studio) -> None:
    async def main() -> None:
        async with qwenbatch.open(studio.out, studio.settings()) as batch:
            run = batch.run(studio.items(1))
            await anext(run)  # it holds the ledger until all is told
            with pytest.raises(LedgerBusyError, match="another run holds this ledger"):
                await asyncio.to_thread(partial(studio.run, studio.items(1)))
            assert [outcome async for outcome in run] == []
        assert batch.summary.items.saved == 1

    asyncio.run(main())


def test_run_works_where_a_loop_is_running(studio: Studio) -> None:
    async def cell() -> int:
        _, summary = studio.run(studio.items(2))
        return summary.items.saved

    assert asyncio.run(cell()) == 2


def test_what_on_outcome_raises_is_raised_once_the_run_has_ended(
    studio_with: Callable[..., Studio],
) -> None:
    studio = studio_with(latency=LATENCY)

    def fail(_: qwenbatch.Outcome) -> None:
        raise LookupError("no such shoe")

    settings = studio.settings(concurrency=2)
    with pytest.raises(LookupError, match="no such shoe"):
        qwenbatch.run(studio.items(9), out=studio.out, settings=settings, on_outcome=fail)
    posts = studio.house.posts()
    assert posts < 9
    told, _ = studio.run(studio.items(9))
    assert Counter(outcome.state for outcome in told) == {"saved": 9}
    assert studio.house.posts() == studio.house.billed().total() == 9


BLOCKING = """
import sys, qwenbatch
items = [qwenbatch.Item(f"p{n:02}.png", f"mirror p{n}") for n in range(9)]
settings = qwenbatch.Settings(gateway=sys.argv[1], concurrency=3, rate=200)
try:
    qwenbatch.run(items, out="out", settings=settings)
except KeyboardInterrupt:
    print("interrupted")
"""
ASYNC = """
import asyncio, sys, qwenbatch
items = [qwenbatch.Item(f"p{n:02}.png", f"mirror p{n}") for n in range(9)]
async def main():
    settings = qwenbatch.Settings(gateway=sys.argv[1], concurrency=3, rate=200)
    async with qwenbatch.open("out", settings) as batch:
        try:
            async for _ in batch.run(items):
                pass
        finally:
            print("left", flush=True)
try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("program", [BLOCKING, ASYNC])
def test_ctrl_c_awaits_and_records_what_is_in_flight(
    studio_with: Callable[..., Studio],
    start: Callable[..., Program],
    program: str,
) -> None:
    studio = studio_with(latency=LATENCY)
    studio.items(9)
    running = start(program, studio.house.url)
    studio.house.wait_in_flight(3)
    running.interrupt()
    said = running.wait()
    assert said.splitlines()[-1] == "interrupted"
    assert "Traceback" not in said
    assert studio.house.posts() == 3
    _, summary = studio.run(studio.items(9))
    assert (summary.items.saved, summary.items.reused, summary.cost.maybe_twice) == (9, 3, 0)


@pytest.mark.parametrize("program", [BLOCKING, ASYNC])
def test_ctrl_c_once_more_gives_up_what_is_in_flight_as_uncertain(
    slow_studio: Studio,
    start: Callable[..., Program],
    program: str,
) -> None:
    slow_studio.items(9)
    running = start(program, slow_studio.house.url)
    slow_studio.house.wait_in_flight(3)
    running.interrupt()
    # The second one must not arrive together with the first.
    with pytest.raises(subprocess.TimeoutExpired):
        running.process.wait(0.5)
    running.interrupt()
    assert running.wait().splitlines()[-1] == "interrupted"
    told, summary = slow_studio.run(slow_studio.items(9), max_cost="0")
    assert Counter(outcome.state for outcome in told) == {"uncertain": 3, "pending": 6}
    assert summary.cost.exposure == 3 * 55_000
