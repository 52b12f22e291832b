from __future__ import annotations

import time
from typing import TYPE_CHECKING

import anyio
import pytest

from qwenbatch.core.attempts import CapRefusal
from qwenbatch.core.budget import Cap
from qwenbatch.core.deadlines import Deadline
from qwenbatch.core.events import PaceChanged, Stopping
from qwenbatch.core.money import NOTHING
from qwenbatch.core.pacing import RAMP_START
from qwenbatch.core.stops import MOST_PATIENCE, MOST_RETRY_AFTER, StopReason
from qwenbatch.core.verdicts import Kind
from tests.engine.conftest import PRICE

if TYPE_CHECKING:
    from qwenbatch.engine.governor import Governor
    from tests.engine.conftest import World

pytestmark = pytest.mark.anyio


def hear(
    governor: Governor,
    kind: Kind | None,
    *,
    retry_after: float | None = None,
    seconds: float = 0.0,
    again: bool = True,
) -> None:
    governor.heard(kind, retry_after=retry_after, seconds=seconds, again=again)


async def test_governor_lets_the_slots_grow_to_their_most(world: World) -> None:
    governor, inside, most = world.governor(concurrency=20), 0, 0
    leave = anyio.Event()

    async def hold() -> None:
        nonlocal inside, most
        async with governor.slot() as may_go:
            assert may_go
            inside += 1
            most = max(most, inside)
            await leave.wait()
            inside -= 1

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            for _ in range(30):
                group.start_soon(hold)
            await anyio.wait_all_tasks_blocked()
            assert inside == RAMP_START
            await governor.ramp_up()
            await anyio.wait_all_tasks_blocked()
            assert inside == most == 20
            leave.set()
    assert most == 20


async def test_governor_a_throttle_holds_the_ramp(world: World) -> None:
    governor = world.governor(concurrency=20)
    hear(governor, Kind.THROTTLED)
    with anyio.move_on_after(1.2) as scope:
        await governor.ramp_up()
    assert scope.cancelled_caught


async def test_governor_a_stop_wakes_everyone_who_waits(world: World) -> None:
    governor, woken = world.governor(concurrency=1), []
    hear(governor, Kind.THROTTLED, retry_after=60.0)

    async def turn() -> None:
        woken.append(await governor.turn())

    async def rest() -> None:
        woken.append(await governor.rest(60.0))

    async def capped() -> None:
        await governor.refused(CapRefusal(Cap.BUDGET, PRICE), governor.news())
        woken.append(not governor.stopping)

    async def watch() -> None:
        await governor.stopped()
        woken.append(False)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            for step in (turn, turn, turn, rest, capped, watch):
                group.start_soon(step)
            await anyio.wait_all_tasks_blocked()
            governor.stop(StopReason.INTERRUPTED, "you")
    assert woken == [False] * 6
    async with governor.slot() as may_go:
        assert not may_go
    assert not await governor.turn()
    assert not await governor.rest(60.0)


async def test_governor_the_first_reason_to_stop_counts(world: World) -> None:
    governor = world.governor()
    governor.stop(StopReason.BUDGET, "first")
    governor.stop(StopReason.DISK, "second")
    assert governor.stopped_by is StopReason.BUDGET
    assert [event.reason for event in world.events if isinstance(event, Stopping)] == [
        StopReason.BUDGET,
    ]


async def test_governor_tells_how_many_are_in_flight_when_it_stops(world: World) -> None:
    governor = world.governor()
    for _ in range(3):
        assert await governor.turn()
    governor.landed()
    governor.stop(StopReason.INTERRUPTED, "you")
    assert isinstance(world.events[-1], Stopping)
    assert world.events[-1].in_flight == 2


@pytest.mark.parametrize("cap", Cap)
async def test_governor_a_cap_stops_the_run_where_nothing_is_reserved(
    world: World,
    cap: Cap,
) -> None:
    governor = world.governor()
    await governor.refused(CapRefusal(cap, NOTHING), governor.news())
    assert governor.stopped_by is StopReason(cap)


async def test_governor_a_cap_waits_while_something_is_reserved(world: World) -> None:
    governor, waited = world.governor(), anyio.Event()

    async def wait() -> None:
        await governor.refused(CapRefusal(Cap.MAX_COST, PRICE), governor.news())
        waited.set()

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            assert not waited.is_set()
            hear(governor, None)
    assert governor.stopped_by is None


async def test_governor_a_cap_hears_of_what_ended_before_it_could_wait(world: World) -> None:
    governor = world.governor()
    news = governor.news()
    hear(governor, Kind.SERVER_ERROR)
    with anyio.fail_after(5):
        await governor.refused(CapRefusal(Cap.MAX_COST, PRICE), news)


async def test_governor_gives_no_turn_while_too_many_results_wait(world: World) -> None:
    governor, turns = world.governor(concurrency=1), []
    leave = anyio.Event()

    async def place() -> None:
        async with governor.placing():
            await leave.wait()

    async def turn() -> None:
        turns.append(await governor.turn())

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(place)
            await anyio.wait_all_tasks_blocked()
            group.start_soon(turn)
            await anyio.wait_all_tasks_blocked()
            assert turns == []
            leave.set()
    assert turns == [True]


async def test_governor_stops_where_results_given_up_alone_block_permits(world: World) -> None:
    governor = world.governor(concurrency=1)
    governor.gave_up_placing()
    governor.gave_up_placing()
    assert await governor.turn()
    governor.gave_up_placing()
    assert governor.stopped_by is None, "with nothing left to send it stops nothing"
    assert not await governor.turn()
    assert governor.stopped_by is StopReason.UNFETCHED


async def test_governor_counts_results_given_up_among_those_that_wait(world: World) -> None:
    governor, turns = world.governor(concurrency=1), []

    async def turn() -> None:
        turns.append(await governor.turn())

    with anyio.fail_after(5):
        async with governor.placing():
            governor.gave_up_placing()
        async with anyio.create_task_group() as group, governor.placing(), governor.placing():
            group.start_soon(turn)
            await anyio.wait_all_tasks_blocked()
            assert turns == []
    assert turns == [True]


async def test_governor_keeps_room_for_what_is_in_flight_and_what_waits(world: World) -> None:
    asked: list[int] = []
    kept = []

    def room(results: int) -> bool:
        asked.append(results)
        return True

    governor = world.governor(room=room)

    async def turn() -> None:
        assert await governor.turn()
        kept.append(asked[-1])

    await turn()
    async with governor.placing():
        await turn()
        governor.landed()
        await turn()
    governor.landed()
    governor.landed()
    await turn()
    assert kept == [1, 3, 3, 1]


async def test_governor_stops_where_there_is_no_room_for_results(world: World) -> None:
    asked: list[int] = []

    def room(results: int) -> bool:
        asked.append(results)
        return results <= 2

    governor = world.governor(room=room)
    assert await governor.turn()
    assert await governor.turn()
    assert not await governor.turn()
    assert sorted(set(asked)) == [1, 2, 3]
    assert governor.stopped_by is StopReason.DISK


async def test_governor_retry_after_closes_the_gate_for_all(world: World) -> None:
    governor = world.governor()
    hear(governor, Kind.THROTTLED, retry_after=0.3)
    began = time.monotonic()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(governor.turn)
    assert 0.29 <= time.monotonic() - began < 2
    assert any(isinstance(event, PaceChanged) and event.wait > 0.2 for event in world.events)


@pytest.mark.parametrize("retry_after", [MOST_RETRY_AFTER + 1, 1e12, float("inf")])
async def test_governor_stops_where_it_is_told_to_wait_too_long(
    world: World,
    retry_after: float,
) -> None:
    governor = world.governor()
    hear(governor, Kind.THROTTLED, retry_after=retry_after)
    assert governor.stopped_by is StopReason.THROTTLED


async def test_governor_stops_where_the_gate_opens_after_the_deadline(world: World) -> None:
    ends = world.clock.monotonic() + 30
    governor = world.governor(deadline=Deadline(ends=ends))
    hear(governor, Kind.THROTTLED, retry_after=20.0)
    assert governor.stopped_by is None
    hear(governor, Kind.THROTTLED, retry_after=40.0)
    assert governor.stopped_by is StopReason.THROTTLED


async def test_governor_stops_after_long_without_an_acceptance(world: World) -> None:
    governor = world.governor()
    world.clock.more += MOST_PATIENCE + 10  # results of earlier runs were fetched first
    hear(governor, Kind.THROTTLED)
    world.clock.more += MOST_PATIENCE - 10
    hear(governor, Kind.THROTTLED)
    assert governor.stopped_by is None
    hear(governor, Kind.INVALID)  # refused, but taken: an acceptance
    world.clock.more += MOST_PATIENCE + 10
    hear(governor, Kind.THROTTLED)
    assert governor.stopped_by is None
    hear(governor, Kind.SERVER_ERROR)
    world.clock.more += MOST_PATIENCE + 10
    hear(governor, Kind.THROTTLED)
    assert governor.stopped_by is StopReason.THROTTLED


async def test_governor_deadlines_stop_sends_early_by_the_latency_seen(world: World) -> None:
    governor = world.governor(deadline=Deadline(ends=world.clock.monotonic() + 30))
    assert await governor.turn()
    hear(governor, None, seconds=20.0)
    assert await governor.turn()
    hear(governor, None, seconds=40.0)
    assert not await governor.turn()
    assert governor.stopped_by is StopReason.DURATION


async def test_governor_an_hour_of_the_day_is_a_deadline(world: World) -> None:
    governor = world.governor(deadline=Deadline(until=world.clock.wall() + 5))
    assert await governor.turn()
    world.clock.more += 6
    assert not await governor.turn()
    assert governor.stopped_by is StopReason.DEADLINE


async def test_governor_failures_do_not_tell_how_long_an_edit_takes(world: World) -> None:
    governor = world.governor(deadline=Deadline(ends=world.clock.monotonic() + 30))
    hear(governor, Kind.GAVE_UP, seconds=300.0)
    assert await governor.turn()


async def test_governor_breaker_stops_at_the_tenth_failure_in_a_row(world: World) -> None:
    governor = world.governor()
    for _ in range(9):
        hear(governor, Kind.SERVER_ERROR)
    assert governor.stopped_by is None
    hear(governor, Kind.UNREACHABLE)
    assert governor.stopped_by is StopReason.BREAKER


async def test_governor_breaker_stops_nothing_where_nothing_is_left_to_send(
    world: World,
) -> None:
    governor = world.governor()
    for _ in range(10):
        hear(governor, Kind.GAVE_UP, again=False)
    assert governor.stopped_by is None
    assert not await governor.turn()
    assert governor.stopped_by is StopReason.BREAKER


async def test_governor_breaker_holds_back_what_has_its_permit_already(world: World) -> None:
    governor = world.governor()
    assert await governor.turn()
    for _ in range(10):
        hear(governor, Kind.GAVE_UP, again=False)
    await governor.departs()
    assert governor.stopped_by is StopReason.BREAKER


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Kind.DENIED, StopReason.DENIED),
        (Kind.EXHAUSTED, StopReason.EXHAUSTED),
        (Kind.MISADDRESSED, StopReason.MISADDRESSED),
    ],
)
async def test_governor_halts_stop_the_run(world: World, kind: Kind, reason: StopReason) -> None:
    governor = world.governor()
    hear(governor, kind)
    assert governor.stopped_by is reason


async def test_governor_a_halt_tells_when_to_come_back_if_it_is_known(world: World) -> None:
    governor = world.governor()
    governor.heard(Kind.EXHAUSTED, retry_after=7 * 3600.0, seconds=1.0, again=False)
    (told,) = [event for event in world.events if isinstance(event, Stopping)]
    assert told.reason is StopReason.EXHAUSTED
    assert told.message.endswith("the gateway asks to come back at 2026-01-02 10:04 UTC")


async def test_governor_turns_are_evenly_spaced(world: World) -> None:
    governor = world.governor(rate=20.0)
    began = time.monotonic()
    for _ in range(6):
        assert await governor.turn()
    assert 0.2 <= time.monotonic() - began < 1.5


async def test_governor_a_cancelled_turn_lets_the_next_go(world: World) -> None:
    governor, turns = world.governor(), []
    hear(governor, Kind.THROTTLED, retry_after=0.3)

    async def turn() -> None:
        turns.append(await governor.turn())

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            with anyio.move_on_after(0.05):
                await governor.turn()
            group.start_soon(turn)
    assert turns == [True]
