"""Results that are put share the memory that there is for them."""

from __future__ import annotations

import anyio
import pytest

from qwenbatch.stores.ration import SHARE, Ration

SHARES = 16
pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("size", [1, SHARE, 3 * SHARE, 7 * SHARE, 100 * SHARE])
async def test_ration_is_never_exceeded_and_everybody_gets_some(size: int) -> None:
    ration, now, most, done = Ration(SHARES), 0, 0, 0

    async def put() -> None:
        nonlocal now, most, done
        async with ration.of(size):
            now += 1
            most = max(most, now)
            await anyio.lowlevel.checkpoint()
            now -= 1
            done += 1

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(put)
    assert done == 50
    assert most == max(1, SHARES // (1 + size // SHARE))


async def test_ration_of_who_gives_up_waiting_is_given_back() -> None:
    ration = Ration(SHARES)
    async with ration.of(SHARE):
        with anyio.move_on_after(0):
            async with ration.of(SHARES * SHARE):
                raise AssertionError
    with anyio.fail_after(10):
        async with ration.of(SHARES * SHARE):
            pass
