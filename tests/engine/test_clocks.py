"""Clocks that are set, machines that sleep, waits of hours: in virtual time."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest

from qwenbatch.core.attempts import CapRefusal
from qwenbatch.core.budget import Cap
from qwenbatch.core.deadlines import Deadline
from qwenbatch.core.events import Stopping
from qwenbatch.core.pacing import SLACK, Pace
from qwenbatch.core.plan import Conducted
from qwenbatch.core.stops import MOST_PATIENCE, MOST_RETRY_AFTER, StopReason
from qwenbatch.core.verdicts import Kind
from qwenbatch.engine.governor import LONGEST_NAP, Governor
from qwenbatch.wiring.clock import SystemClock
from tests.engine.conftest import (
    PRICE,
    FakeGateway,
    HandClock,
    Hold,
    World,
    edit_of,
    edited,
    failed,
)
from tests.engine.virtual_time import VirtualLoop, stand_still

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from qwenbatch.core.events import Event
    from qwenbatch.engine.ports import Clock

pytestmark = pytest.mark.anyio

DAY = 24 * 3600.0
RATE = 2.0


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": VirtualLoop}


def loop_time() -> float:
    return asyncio.get_running_loop().time()


class Watch:
    """A governor in virtual time."""

    def __init__(
        self,
        *,
        until: float | None = None,
        ends: float | None = None,
        room: Callable[[int], bool] = lambda _: True,
    ) -> None:
        self.clock = HandClock(loop_time)
        self.events: list[Event] = []
        now, wall = self.clock.monotonic(), self.clock.wall()
        self.governor = Governor(
            concurrency=4,
            pace=Pace(most=RATE, learned=None, now=now),
            deadline=Deadline(
                until=None if until is None else wall + until,
                ends=None if ends is None else now + ends,
            ),
            room=room,
            clock=self.clock,
            report=self.events.append,
        )

    async def starts(self, seconds: float) -> list[float]:
        """When POSTs go out within so many seconds."""
        moments: list[float] = []
        with anyio.move_on_after(seconds):
            while await self.governor.turn():
                await self.governor.departs()
                moments.append(self.clock.monotonic())
        return moments


@pytest.fixture
async def watch() -> Watch:
    return Watch()


# ---------------------------------------------------------------------- the port


@pytest.mark.parametrize(
    "clock",
    [SystemClock, HandClock, lambda: HandClock(loop_time)],
    ids=["system", "hand", "virtual"],
)
async def test_clock_tells_both_times_and_never_falls(clock: Callable[[], Clock]) -> None:
    told = clock()
    virtual = isinstance(told, HandClock) and told._tick is loop_time
    seen = [(told.monotonic(), told.wall())]
    for _ in range(3):
        await (asyncio.sleep(0.05) if virtual else anyio.to_thread.run_sync(time.sleep, 0.05))
        seen.append((told.monotonic(), told.wall()))
    for before, after in pairwise(seen):
        interval = after[0] - before[0]
        assert 0.049 <= interval < 5
        assert after[1] - before[1] == pytest.approx(interval, abs=0.02)


# ---------------------------------------------------------------------- no burst


@pytest.mark.parametrize("away", [0.4, 5.0, 3600.0, 3 * DAY])
async def test_pace_after_a_stand_still_is_no_faster(watch: Watch, away: float) -> None:
    before = await watch.starts(5)
    stand_still(away)
    after = await watch.starts(5)
    assert len(before) == pytest.approx(5 * RATE, abs=1)
    assert len(after) <= 5 * RATE + 1
    assert all(b - a >= 1 / RATE - SLACK - 1e-6 for a, b in pairwise(after))


@pytest.mark.parametrize("leap", [-DAY, -3600.0, 3600.0, DAY])
async def test_pace_and_waits_do_not_heed_the_wall_clock(watch: Watch, leap: float) -> None:
    async def leaping() -> None:
        await anyio.sleep(2)
        watch.clock.set_by += leap

    async with anyio.create_task_group() as group:
        group.start_soon(leaping)
        moments = await watch.starts(5)
    assert len(moments) == pytest.approx(5 * RATE, abs=1)
    watch.governor.heard(Kind.THROTTLED, retry_after=60.0, seconds=0.1, again=True)
    watch.clock.set_by -= 2 * leap
    began = watch.clock.monotonic()
    assert await watch.governor.turn()
    assert watch.clock.monotonic() - began == pytest.approx(60, abs=0.01)
    assert await watch.governor.rest(30.0)
    assert watch.clock.monotonic() - began == pytest.approx(90, abs=0.01)


async def test_pace_permits_that_come_late_all_at_once_are_no_burst(watch: Watch) -> None:
    """A disk that wakes up slowly after the machine did: the ledger answers all at once."""
    governor, moments = watch.governor, []
    for _ in range(8):
        assert await governor.turn()
    stand_still(5)

    async def go() -> None:
        await governor.departs()
        moments.append(watch.clock.monotonic())

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(go)
    assert len(moments) == 8
    assert all(b - a >= 1 / RATE - SLACK - 1e-6 for a, b in pairwise(moments))


async def test_pace_a_disk_that_is_slow_to_tell_its_room_makes_no_burst() -> None:
    slow = [30.0]

    def room(_: int) -> bool:
        stand_still(slow.pop() if slow else 0.0)
        return True

    watch = Watch(room=room)
    moments = []
    for _ in range(4):
        assert await watch.governor.turn()
        moments.append(watch.clock.monotonic())
    assert all(b - a >= 1 / RATE - SLACK - 1e-6 for a, b in pairwise(moments))


async def test_gate_that_closes_before_a_permit_comes_holds_the_post(watch: Watch) -> None:
    assert await watch.governor.turn()
    watch.governor.heard(Kind.THROTTLED, retry_after=10.0, seconds=0.1, again=True)
    began = watch.clock.monotonic()
    await watch.governor.departs()
    assert watch.clock.monotonic() - began == pytest.approx(10, abs=0.01)


# ---------------------------------------------------------------------- deadlines


async def waits_at_the_gate(governor: Governor) -> None:
    governor.heard(Kind.THROTTLED, retry_after=600.0, seconds=0.1, again=True)
    await governor.turn()


async def waits_to_retry(governor: Governor) -> None:
    await governor.rest(60.0)


async def waits_for_a_cap(governor: Governor) -> None:
    await governor.refused(CapRefusal(Cap.MAX_COST, PRICE), governor.news())


async def waits_for_placements(governor: Governor) -> None:
    async with governor.placing(), governor.placing(), governor.placing():
        for _ in range(6):
            governor.gave_up_placing()
        await governor.turn()


async def waits_to_depart(governor: Governor) -> None:
    assert await governor.turn()
    governor.heard(Kind.THROTTLED, retry_after=600.0, seconds=0.1, again=True)
    await governor.departs()


@pytest.mark.parametrize(
    "wait",
    [
        waits_at_the_gate,
        waits_to_retry,
        waits_for_a_cap,
        waits_for_placements,
        waits_to_depart,
    ],
)
async def test_deadline_that_a_sleep_ran_past_ends_every_wait_at_once(
    wait: Callable[[Governor], Awaitable[None]],
) -> None:
    """While the machine sleeps the monotonic clock stands still, and the wall clock does not."""
    watch = Watch(until=8 * 3600)
    began = watch.clock.monotonic()

    async def sleep() -> None:
        await anyio.sleep(1.5)
        watch.clock.set_by += 9 * 3600

    async with anyio.create_task_group() as group:
        group.start_soon(sleep)
        await wait(watch.governor)
    assert watch.governor.stopped_by is StopReason.DEADLINE
    assert watch.clock.monotonic() - began <= 1.5 + LONGEST_NAP + 0.01


async def test_deadline_goes_by_the_wall_clock_that_is_set_back() -> None:
    watch = Watch(until=10)
    watch.clock.set_by -= 3600
    assert len(await watch.starts(20)) == pytest.approx(20 * RATE, abs=1)
    assert watch.governor.stopped_by is None
    watch.clock.set_by += 3600
    assert await watch.starts(20) == []
    assert watch.governor.stopped_by is StopReason.DEADLINE


async def test_duration_goes_by_the_monotonic_clock_alone() -> None:
    watch = Watch(ends=10)
    watch.clock.set_by += DAY
    assert len(await watch.starts(20)) == pytest.approx(10 * RATE, abs=1)
    assert watch.governor.stopped_by is StopReason.DURATION


# ---------------------------------------------------------------------- bounded waits


@pytest.mark.parametrize("retry_after", [None, MOST_RETRY_AFTER - 1])
async def test_throttled_run_ends_after_half_an_hour(
    world: World,
    retry_after: float | None,
) -> None:
    world.clock = HandClock(asyncio.get_running_loop().time)
    gateway = FakeGateway([failed(429, "Throttling", retry_after=retry_after)])
    governor = world.governor(rate=RATE)
    began = world.clock.monotonic()
    end = await world.conductor(gateway, governor).conduct(edit_of(1))
    assert end is Conducted.LEFT
    assert governor.stopped_by is StopReason.THROTTLED
    assert world.clock.monotonic() - began <= MOST_PATIENCE + MOST_RETRY_AFTER + 60
    assert gateway.posts <= 200


@pytest.mark.parametrize(
    ("kind", "reason"),
    [(Kind.THROTTLED, StopReason.THROTTLED), (Kind.EXHAUSTED, StopReason.EXHAUSTED)],
)
async def test_retry_after_of_hours_halts_with_the_hour_at_which_to_come_back(
    watch: Watch,
    kind: Kind,
    reason: StopReason,
) -> None:
    watch.governor.heard(kind, retry_after=7 * 3600.0, seconds=0.1, again=True)
    (stop,) = [event for event in watch.events if isinstance(event, Stopping)]
    assert stop.reason is reason
    assert "come back at 2026-01-02 10:04 UTC" in stop.message


# ---------------------------------------------------------------------- in real time


class TestInRealTime:
    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    async def test_posts_behind_a_ledger_that_was_busy_are_no_burst(self, world: World) -> None:
        rate, gateway = 20.0, FakeGateway([edited()])
        conductor = world.conductor(gateway, world.governor(rate=rate))
        hold, moments = Hold(world.writer), list[float]()

        async def conduct(number: int) -> None:
            await conductor.conduct(edit_of(number))

        async def watch_posts() -> None:
            while gateway.posts < 4:
                if gateway.posts > len(moments):
                    moments.extend([time.monotonic()] * (gateway.posts - len(moments)))
                await anyio.sleep(0.001)
            moments.append(time.monotonic())

        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                for number in range(4):
                    group.start_soon(conduct, number)
                await anyio.sleep(4 / rate)
                assert gateway.posts == 0
                hold.let_go()
                group.start_soon(watch_posts)
        assert moments[-1] - moments[0] >= 3 / rate - SLACK - 0.01
