"""The threads in which a run's disk work is done.

A result takes half a dozen turns in a thread, and what a turn costs is mostly the waking of the
other side. So what ends while the event loop is busy is told to it together, by one wake-up: of the
libraries' pools each turn costs several times as much.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

MOST_THREADS = 16
"""Enough that disks and file servers with long queues are kept busy."""


class _Errand(Generic[T]):
    """A piece of work, and what came of it."""

    def __init__(self, work: Callable[[], T], told: asyncio.Future[None]) -> None:
        self.told = told
        self._work = work
        self._outcome: T
        self._error: BaseException | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Where its end is waited for."""
        return self.told.get_loop()

    def run(self) -> None:
        """Do the work; in a thread."""
        try:
            self._outcome = self._work()
        except BaseException as error:  # noqa: BLE001 - it is handed to whoever asked
            self._error = error

    def tell(self) -> None:
        """It is over; in the event loop."""
        if not self.told.done():
            self.told.set_result(None)

    def outcome(self) -> T:
        """What the work returned, or raises what it raised."""
        if self._error is not None:
            raise self._error
        return self._outcome


class ThreadPool:
    """Does work in threads, for the event loop that asks first: an `Offload`.

    Threads are started as they are needed, up to `most`; further work waits for one in order.
    Close it to let them end. Raises RuntimeError where nobody would be told of the end of some
    work: if another event loop asks, or after `close`; and if not one thread is to be had.
    """

    def __init__(self, most: int = MOST_THREADS) -> None:
        self._most = most
        self._errands: SimpleQueue[_Errand[Any] | None] = SimpleQueue()
        self._threads = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._gate = threading.Lock()
        self._free = 0
        """Threads less errands that are not over; below zero where some wait for a thread."""
        self._over: list[_Errand[Any]] = []
        """Errands of whose end the event loop is to hear; it was woken with the first of them."""

    async def __call__(self, work: Callable[[], T], /) -> T:
        """What the work returns or raises; a cancellation is felt at the next step after it."""
        errand = _Errand(work, asyncio.get_running_loop().create_future())
        self._hand_over(errand)
        with anyio.CancelScope(shield=True):
            await errand.told
        return errand.outcome()

    def close(self) -> None:
        """Let the threads end, each after what it does; they are not waited for."""
        with self._gate:
            self._closed = True
        for _ in range(self._threads):
            self._errands.put(None)

    def _hand_over(self, errand: _Errand[Any]) -> None:
        with self._gate:
            self._loop = self._loop or errand.loop
            if self._closed or errand.loop is not self._loop:
                raise RuntimeError("this pool is closed, or serves another event loop")
            if self._free <= 0 and self._threads < self._most:
                self._add_thread()
            self._free -= 1
        self._errands.put(errand)

    def _add_thread(self) -> None:
        """One more, if the system has one to give; RuntimeError if not even the first is had."""
        # A daemon: one that hangs on a dead file server holds up no exit.
        name = f"disk-{self._threads + 1}"
        thread = threading.Thread(target=self._serve, name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            if not self._threads:
                raise
            return
        self._threads += 1
        self._free += 1

    def _serve(self) -> None:
        while (errand := self._errands.get()) is not None:
            errand.run()
            with self._gate:
                self._free += 1
                self._over.append(errand)
                first = len(self._over) == 1
            if first:
                with suppress(RuntimeError):  # a loop that is closed has nobody left to tell
                    errand.loop.call_soon_threadsafe(self._tell)
            # Not kept until the next one comes: it may hold a picture's bytes.
            del errand

    def _tell(self) -> None:
        with self._gate:
            over, self._over = self._over, []
        for errand in over:
            errand.tell()
