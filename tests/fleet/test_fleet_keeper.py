"""Keeper and workers over a line that loses things, dies and stalls: one attempt for each edit."""

from __future__ import annotations

from contextlib import AsyncExitStack
from random import Random
from typing import TYPE_CHECKING

import anyio
import apsw
import pytest
from msgspec.structs import replace

from qwenbatch.core.plan import Conducted
from qwenbatch.core.states import EditState
from qwenbatch.core.stops import StopReason
from qwenbatch.errors import DiskError, UsageError
from qwenbatch.fleet.muster import FIRST_WORKER, Muster
from tests.fleet.office import Office, edits, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from qwenbatch.core.plan import Edit
    from qwenbatch.fleet.afar import ConductorAfar
    from qwenbatch.fleet.worker import Worker


def _in_office(folder: Path, story: Callable[[Office], Awaitable[None]]) -> None:
    async def lead() -> None:
        async with AsyncExitStack() as stack:
            office = Office(folder, stack)
            await office.begin()
            await story(office)

    anyio.run(lead)


async def _conduct(
    conductor: ConductorAfar, wanted: list[Edit], ends: dict[bytes, Conducted]
) -> None:
    async with anyio.create_task_group() as group:

        async def live(edit: Edit) -> None:
            ends[edit.key] = await conductor.conduct(edit)

        for edit in wanted:
            group.start_soon(live, edit)


async def _dead(_: object) -> None:
    """Nobody records anything."""


def _sending(edit: Edit) -> Edit:
    """As the agenda gives an edit that an earlier keeper had in flight."""
    return replace(edit, expected=EditState.SENDING)


async def _work(worker: Worker) -> None:
    await worker.work(())


def test_line_that_loses_a_third_of_all_exchanges_makes_no_second_attempt(
    tmp_path: Path,
) -> None:
    async def story(office: Office) -> None:
        random = Random(7)  # noqa: S311 - repeatable, not secret
        office.line.loses = lambda: random.random() < 1 / 6
        office.answers.set()
        ends: dict[bytes, Conducted] = {}
        async with AsyncExitStack() as stack:
            _, conductor = await office.keeper(stack)
            async with anyio.create_task_group() as group:
                for name in ("a", "b"):
                    group.start_soon(_work, office.worker(name))
                await _conduct(conductor, edits(60), ends)
                group.cancel_scope.cancel()
        assert set(ends.values()) == {Conducted.EDITED}
        assert len(office.sent) == len(set(office.sent)) == await office.attempts() == 60
        assert set(await office.states()) == {"edited"}

    _in_office(tmp_path, story)


def test_keeper_that_comes_back_waits_for_what_its_workers_still_have_in_flight(
    tmp_path: Path,
) -> None:
    async def story(office: Office) -> None:
        wanted, ends = edits(4), dict[bytes, Conducted]()

        async def first_life(life: anyio.CancelScope) -> None:
            with life:
                async with AsyncExitStack() as stack:
                    keeper, conductor = await office.keeper(stack)
                    # As a process dies: nothing of its end reaches the ledger.
                    vars(keeper.tower)["end"] = _dead
                    await _conduct(conductor, wanted, {})

        async with anyio.create_task_group() as workers:
            workers.start_soon(_work, office.worker("a"))
            async with anyio.create_task_group() as group:
                life = anyio.CancelScope()
                group.start_soon(first_life, life)
                await until(lambda: len(office.sent) == 4)
                office.line.keeper = None
                life.cancel()
            assert await office.states() == ["sending"] * 4
            async with AsyncExitStack() as stack:
                keeper, conductor = await office.keeper(stack)
                async with anyio.create_task_group() as group:
                    group.start_soon(_conduct, conductor, [_sending(one) for one in wanted], ends)
                    await keeper.assembled(1, 20.0)
                    office.answers.set()
            workers.cancel_scope.cancel()
        assert set(ends.values()) == {Conducted.EDITED}
        assert await office.states() == ["edited"] * 4
        assert len(office.sent) == await office.attempts() == 4

    _in_office(tmp_path, story)


def test_report_that_comes_after_the_lease_heals_what_was_uncertain(tmp_path: Path) -> None:
    async def story(office: Office) -> None:
        ends: dict[bytes, Conducted] = {}
        async with AsyncExitStack() as stack:
            keeper, conductor = await office.keeper(stack, term=0.6)
            async with anyio.create_task_group() as group:
                group.start_soon(_work, office.worker("a"))
                async with anyio.create_task_group() as lives:
                    lives.start_soon(_conduct, conductor, edits(3), ends)
                    await until(lambda: len(office.sent) == 3)
                    office.line.keeper = None
                assert set(ends.values()) == {Conducted.LEFT}
                assert await office.states() == ["uncertain"] * 3
                office.answers.set()
                office.line.keeper = keeper
                await until(lambda: len(office.placed) == 3)
                group.cancel_scope.cancel()
        assert await office.states() == ["edited"] * 3
        assert len(office.sent) == 3, "nothing is sent anew by a worker that was cut off"

    _in_office(tmp_path, story)


def test_what_a_dead_worker_had_not_sent_is_done_by_another(tmp_path: Path) -> None:
    async def story(office: Office) -> None:
        ends: dict[bytes, Conducted] = {}
        life = anyio.CancelScope()

        async def short_work(worker: Worker) -> None:
            with life:
                await worker.work(())

        async with AsyncExitStack() as stack:
            _, conductor = await office.keeper(stack, term=0.6, concurrency=2)
            async with anyio.create_task_group() as group:
                group.start_soon(short_work, office.worker("a"))
                async with anyio.create_task_group() as lives:
                    lives.start_soon(_conduct, conductor, edits(6), ends)
                    await until(lambda: len(office.sent) == 2)
                    life.cancel()
                    await until(lambda: len(ends) == 2)
                    office.answers.set()
                    group.start_soon(_work, office.worker("b"))
                group.cancel_scope.cancel()
        assert sorted(ends.values(), key=str) == [Conducted.EDITED] * 4 + [Conducted.LEFT] * 2
        assert len(office.sent) == len(set(office.sent)) == 6

    _in_office(tmp_path, story)


def test_worker_of_another_version_is_refused(tmp_path: Path) -> None:
    async def story(office: Office) -> None:
        async with AsyncExitStack() as stack:
            keeper, _ = await office.keeper(stack)
            with pytest.raises(ExceptionGroup) as refused:
                await office.worker("a", version="0.9").work(())
            assert refused.group_contains(UsageError, match="the fleet 1")
            with pytest.raises(UsageError, match="same version"):
                await keeper.assembled(1, 5.0)

    _in_office(tmp_path, story)


def test_answer_is_paid_though_its_worker_dies_before_it_says_that_it_is_done(
    tmp_path: Path,
) -> None:
    async def story(office: Office) -> None:
        ends: dict[bytes, Conducted] = {}
        office.mute = True
        office.answers.set()
        async with AsyncExitStack() as stack:
            _, conductor = await office.keeper(stack)
            async with anyio.create_task_group() as group:
                group.start_soon(_work, office.worker("a"))
                await _conduct(conductor, edits(3), ends)
                group.cancel_scope.cancel()
        assert set(ends.values()) == {Conducted.EDITED}

    _in_office(tmp_path, story)


def test_stop_leaves_what_waits_for_workers_that_never_come(tmp_path: Path) -> None:
    async def story(office: Office) -> None:
        ends: dict[bytes, Conducted] = {}
        async with AsyncExitStack() as stack:
            keeper, conductor = await office.keeper(stack)
            async with anyio.create_task_group() as group:
                group.start_soon(_conduct, conductor, edits(3), ends)
                office.governors[-1].stop(StopReason.INTERRUPTED, "enough")
        assert set(ends.values()) == {Conducted.LEFT}
        assert keeper.jobs.next() is None

    _in_office(tmp_path, story)


def test_permit_that_is_given_back_lands_though_the_ledger_cannot_be_written(
    tmp_path: Path,
) -> None:
    async def story(office: Office) -> None:
        async with AsyncExitStack() as stack:
            keeper, conductor = await office.keeper(stack)
            async with anyio.create_task_group() as group:
                group.start_soon(_work, office.worker("a"))
                group.start_soon(_conduct, conductor, edits(1), {})
                await until(lambda: office.sent)
                with pytest.raises(apsw.ConnectionClosedError):
                    await office.writer(lambda db: db.close())
                with pytest.raises(DiskError):
                    await keeper.tower.release(edits(1)[0].key, office.sent[0])
                with anyio.fail_after(5):
                    await keeper.tower.empty()
                group.cancel_scope.cancel()

    _in_office(tmp_path, story)


def test_fleet_whose_only_workers_were_refused_does_not_wait_for_ever(tmp_path: Path) -> None:
    async def story(office: Office) -> None:
        async with AsyncExitStack() as stack:
            await office.keeper(stack)
            now = 0.0
            muster = Muster(office.governors[-1], lambda: now)
            muster.admit(1)
            muster.refuse(UsageError("its key is none"))
            now += 10 * FIRST_WORKER
            muster.look()
            muster.keep(())
            muster.look()
            now += FIRST_WORKER
            muster.look()
            now += 1.0
            with pytest.raises(UsageError, match="its key"):
                muster.look()

    _in_office(tmp_path, story)
