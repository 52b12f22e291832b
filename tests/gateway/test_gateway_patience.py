from __future__ import annotations

import asyncio
from typing import Any

import anyio
import pytest

from qwenbatch.gateway.patience import LATENESS, TICK, Patience
from tests.engine.virtual_time import VirtualLoop, stand_still

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": VirtualLoop}


def now() -> float:
    return asyncio.get_running_loop().time()


async def cancelled_after(seconds: float, *, stop_at: float = 0.0, stop_for: float = 0.0) -> float:
    """When a scope was cancelled, where the process stood still once on the way."""
    began = now()

    async def stop() -> None:
        await anyio.sleep(stop_at)
        stand_still(stop_for)

    with anyio.CancelScope() as scope:
        patience = Patience(scope, seconds)
        async with anyio.create_task_group() as group:
            group.start_soon(stop)
            await anyio.sleep(10**6)
    patience.end()
    assert scope.cancelled_caught
    return now() - began


@pytest.mark.parametrize("seconds", [0.2, 1.0, 3.3, 300.0])
async def test_patience_ends_after_its_time(seconds: float) -> None:
    assert await cancelled_after(seconds) == pytest.approx(seconds, abs=0.01)


async def test_patience_does_not_count_the_time_in_which_the_process_stood_still() -> None:
    assert await cancelled_after(10.0, stop_at=2.5, stop_for=3600.0) >= 3600 + 9


async def test_patience_leaves_a_moment_to_read_what_came_meanwhile() -> None:
    after = await cancelled_after(0.5, stop_at=0.2, stop_for=3600.0)
    assert 3600.1 + TICK <= after <= 3600.5 + TICK


async def test_patience_counts_a_little_lateness() -> None:
    late = LATENESS * 0.9
    assert await cancelled_after(3.0, stop_at=0.5, stop_for=late) <= 3.0 + TICK


async def test_patience_that_always_stands_still_ends_too() -> None:
    began, looks = now(), 0

    async def always() -> None:
        nonlocal looks
        while True:
            await anyio.sleep(0.2)
            stand_still(10)
            looks += 1

    with anyio.CancelScope() as scope:
        Patience(scope, 30.0)
        async with anyio.create_task_group() as group:
            group.start_soon(always)
    assert scope.cancelled_caught
    assert now() - began < 30 * 60


async def test_patience_may_be_granted_anew_and_ended() -> None:
    with anyio.move_on_after(20) as scope:
        patience = Patience(scope, 1.0)
        patience.grant(15.0)
        await anyio.sleep(10)
        patience.end()
        patience.grant(1.0)
        await anyio.sleep(8)
    assert not scope.cancelled_caught
