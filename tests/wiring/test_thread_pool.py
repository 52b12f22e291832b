"""What every `Offload` does, and what the pool of a run does besides."""

from __future__ import annotations

import gc
import threading
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING
from weakref import ref

import anyio
import anyio.to_thread
import pytest

from qwenbatch.wiring.thread_pool import ThreadPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qwenbatch.core.offload import Offload

pytestmark = pytest.mark.anyio

PATIENCE = 10.0
"""Seconds after which what is waited for will not come."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def pool() -> Iterator[ThreadPool]:
    with closing(ThreadPool(most=2)) as pool:
        yield pool


@pytest.fixture(params=["anyio", "pool"])
def offload(request: pytest.FixtureRequest, pool: ThreadPool) -> Offload:
    return anyio.to_thread.run_sync if request.param == "anyio" else pool


class Work:
    """Work that lasts until it is let go."""

    def __init__(self) -> None:
        self.began, self.may_end, self.ended = (threading.Event() for _ in range(3))

    def __call__(self) -> str:
        self.began.set()
        assert self.may_end.wait(PATIENCE)
        self.ended.set()
        return threading.current_thread().name


async def reached(event: threading.Event) -> None:
    """Wait in a thread of anyio's, which is none of those under test."""
    assert await anyio.to_thread.run_sync(event.wait, PATIENCE)


async def test_offload_returns_what_the_work_returns_from_another_thread(offload: Offload) -> None:
    assert await offload(lambda: 6 * 7) == 42
    assert await offload(threading.current_thread) is not threading.current_thread()


@pytest.mark.parametrize("error", [OSError(28, "full"), ValueError("no")], ids=repr)
async def test_offload_raises_what_the_work_raises(offload: Offload, error: Exception) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        await offload(fail)
    assert caught.value is error


async def test_offload_leaves_the_event_loop_free_meanwhile(offload: Offload) -> None:
    works = [Work(), Work()]
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as group:
            for work in works:
                group.start_soon(offload, work)
            for work in works:
                await reached(work.began)
            for work in reversed(works):
                work.may_end.set()
    assert all(work.ended.is_set() for work in works)


async def test_offload_tells_what_was_done_before_a_cancellation_is_felt(offload: Offload) -> None:
    work, told = Work(), []
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as group:

            async def ask() -> None:
                told.append(bool(await offload(work)))
                await anyio.sleep_forever()

            group.start_soon(ask)
            await reached(work.began)
            group.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await anyio.wait_all_tasks_blocked()
                assert told == []
                work.may_end.set()
    assert told == [True]


async def test_pool_has_no_more_threads_than_it_may_and_does_the_rest_in_order(
    pool: ThreadPool,
) -> None:
    works = [Work(), Work()]
    order: list[int] = []
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as group:
            for work in works:
                group.start_soon(pool, work)
            for work in works:
                await reached(work.began)
            for number in range(5):
                group.start_soon(pool, partial(order.append, number))
            await anyio.wait_all_tasks_blocked()
            assert order == []
            works[0].may_end.set()
            while len(order) < 5:
                await anyio.lowlevel.checkpoint()
            works[1].may_end.set()
    assert order == list(range(5))


async def test_pool_uses_a_thread_again(pool: ThreadPool) -> None:
    assert len({await pool(threading.get_ident) for _ in range(20)}) == 1


@contextmanager
def no_new_thread() -> Iterator[None]:
    """Nobody gets a thread: there is no room for the stack of one."""
    usual = threading.stack_size(2**46)
    try:
        yield
    finally:
        threading.stack_size(usual)


async def test_pool_makes_do_with_the_threads_that_the_system_gives(pool: ThreadPool) -> None:
    work, told = Work(), []

    async def ask(work: Callable[[], str]) -> None:
        told.append(await pool(work))

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as group:
            group.start_soon(ask, work)
            await reached(work.began)
            with no_new_thread():
                group.start_soon(ask, lambda: "second")
                await anyio.wait_all_tasks_blocked()
            assert told == []
            work.may_end.set()
    assert told == ["disk-1", "second"]
    assert await pool(lambda: 1) == 1


async def test_pool_without_any_thread_says_so_and_may_have_one_later(pool: ThreadPool) -> None:
    with no_new_thread(), pytest.raises(RuntimeError, match="new thread"):
        await pool(bool)
    assert await pool(lambda: 1) == 1


async def test_pool_tells_what_ended_meanwhile_by_one_wake_up(
    pool: ThreadPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    wake_ups: list[object] = []
    tell = pool._tell

    def told() -> None:
        wake_ups.append(1)
        tell()

    monkeypatch.setattr(pool, "_tell", told)
    last = threading.Event()

    async def ask(work: object) -> None:
        await pool(work)  # type: ignore[arg-type] # whatever is called

    async with anyio.create_task_group() as group:
        for _ in range(9):
            group.start_soon(ask, bool)
        group.start_soon(ask, last.set)
        await anyio.lowlevel.checkpoint()
        # The loop stands still until all of it is done.
        assert last.wait(PATIENCE)
    assert 1 <= len(wake_ups) <= 3


async def test_pool_keeps_nothing_of_work_that_is_over(pool: ThreadPool) -> None:
    work = Work()
    work.may_end.set()
    gone = ref(work)
    await pool(work)
    del work
    with anyio.fail_after(PATIENCE):
        while gone() is not None:
            gc.collect()
            await anyio.lowlevel.checkpoint()


async def test_pool_that_is_closed_lets_its_threads_end(pool: ThreadPool) -> None:
    thread = await pool(threading.current_thread)
    pool.close()
    await anyio.to_thread.run_sync(thread.join, PATIENCE)
    assert not thread.is_alive()


async def test_pool_that_is_closed_refuses_work(pool: ThreadPool) -> None:
    pool.close()
    with pytest.raises(RuntimeError, match="closed"):
        await pool(bool)


def test_pool_refuses_another_event_loop() -> None:
    async def ask(pool: ThreadPool) -> int:
        return await pool(lambda: 1)

    with closing(ThreadPool()) as pool:
        assert anyio.run(ask, pool) == 1
        with pytest.raises(RuntimeError, match="another event loop"):
            anyio.run(ask, pool)
