"""The one writer: moves queue up, and what is queued when a flush begins is one batch.

Group commit without a timer: one move alone is committed at once, sixteen at a time share one
flush; what an event loop asks for in one turn goes to the writer together. Of several, each move
has a savepoint of its own, so that one that is refused takes none with it.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from qwenbatch.errors import DiskError
from qwenbatch.ledger.database import translated

if TYPE_CHECKING:
    from collections.abc import Callable

    import apsw

T = TypeVar("T")
_Future: TypeAlias = "Future[T] | asyncio.Future[T]"

MOST_IN_BATCH = 512
"""Moves that share one commit at the most, so that none waits long for its flush."""


class _Job(Generic[T]):
    """A move, and what came of it. Whoever waits for it in an event loop is told there."""

    def __init__(self, move: Callable[[apsw.Connection], T], future: _Future[T]) -> None:
        self.future = future
        self._move = move
        self._outcome: T
        self._error: BaseException | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """Where it is waited for; None if a thread does."""
        return self.future.get_loop() if isinstance(self.future, asyncio.Future) else None

    def run(self, connection: apsw.Connection) -> None:
        """Do the move inside its savepoint; its end is told only after the commit.

        What is raised is the whole batch's end: SQLite has rolled it back by itself.
        """
        connection.execute("SAVEPOINT move")
        try:
            self.run_alone(connection)
        except BaseException as error:
            if not connection.in_transaction:
                raise
            connection.execute("ROLLBACK TO move")
            self._error = error
        connection.execute("RELEASE move")

    def run_alone(self, connection: apsw.Connection) -> None:
        """Do the move where it is all that its transaction holds; whatever it raises ends that."""
        with translated(connection.filename):
            self._outcome = self._move(connection)

    def fail(self, error: BaseException) -> None:
        """Its commit failed: nothing of it is recorded."""
        self._error = error

    def tell(self) -> None:
        """The commit is on the disk, or nothing of it is."""
        if self._is_awaited():
            if self._error is None:
                self.future.set_result(self._outcome)
            else:
                self.future.set_exception(self._error)

    def _is_awaited(self) -> bool:
        if isinstance(self.future, asyncio.Future):
            return not self.future.done()
        return self.future.set_running_or_notify_cancel()


class Writer:
    """A thread that owns the writing connection. Close it to let the last batch finish."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._path = connection.filename
        self._jobs: SimpleQueue[_Job[Any] | None] = SimpleQueue()
        self._gathered: list[_Job[Any]] = []
        self._turn_of: asyncio.AbstractEventLoop | None = None
        self._gate = threading.Lock()
        self._closed = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._serve, name="ledger-writer", daemon=True)
        self._thread.start()

    def submit(self, move: Callable[[apsw.Connection], T]) -> Future[T]:
        """Queue a move; the future ends once it is durable, or refused.

        A move that is queued is done, whether or not anyone still waits for it: whoever is
        cancelled meanwhile must look at what became of it. Raises RuntimeError after `close`,
        DiskError once the writer has failed: nothing is ever queued that nobody does.
        """
        future: Future[T] = Future()
        self._queue(_Job(move, future))
        return future

    async def __call__(self, move: Callable[[apsw.Connection], T]) -> T:
        """Do a move and wait until it is durable; cancelled meanwhile, it is done all the same."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._gather(_Job(move, future), loop)
        return await future

    def now(self, move: Callable[[apsw.Connection], T]) -> T:
        """Do a move from a thread that may block, and wait until it is durable."""
        return self.submit(move).result()

    def close(self) -> None:
        """Finish what is queued, then close the connection."""
        with self._gate:
            self._closed = True
            self._hand_over()
            self._jobs.put(None)
        self._thread.join()
        self._connection.close()

    def _queue(self, job: _Job[Any]) -> None:
        with self._gate:
            self._refuse_at_end()
            self._hand_over()
            self._jobs.put(job)

    def _gather(self, job: _Job[Any], loop: asyncio.AbstractEventLoop) -> None:
        with self._gate:
            self._refuse_at_end()
            if self._turn_of is not loop:
                self._hand_over()
                self._turn_of = loop
                loop.call_soon(self._end_turn)
            self._gathered.append(job)

    def _refuse_at_end(self) -> None:
        if self._failure is not None:
            raise _given_up(self._path) from self._failure
        if self._closed:
            raise RuntimeError("the ledger's writer is closed: a move came too late")

    def _end_turn(self) -> None:
        with self._gate:
            self._hand_over()

    def _hand_over(self) -> None:
        """Queue what was gathered; said with the gate closed."""
        gathered, self._gathered, self._turn_of = self._gathered, [], None
        for job in gathered:
            if self._failure is None:
                self._jobs.put(job)
            else:
                self._abandon(job, self._failure)

    def _serve(self) -> None:
        try:
            while (batch := self._next_batch()) is not None:
                self._commit(batch)
        except BaseException as error:  # noqa: BLE001 - it is handed to whoever asks
            self._give_up(error)

    def _give_up(self, failure: BaseException) -> None:
        """No move can be done any more: let nobody wait for one."""
        with self._gate:
            self._failure = failure
        while not self._jobs.empty():
            job = self._jobs.get()
            if job is not None:
                self._abandon(job, failure)

    def _abandon(self, job: _Job[Any], failure: BaseException) -> None:
        error = _given_up(self._path)
        error.__cause__ = failure
        job.fail(error)
        _tell([job])

    def _next_batch(self) -> list[_Job[Any]] | None:
        first = self._jobs.get()
        if first is None:
            return None
        batch = [first]
        self._take_queued(batch)
        return batch

    def _take_queued(self, batch: list[_Job[Any]]) -> None:
        while len(batch) < MOST_IN_BATCH and not self._jobs.empty():
            job = self._jobs.get()
            if job is None:
                self._jobs.put(None)
                return
            batch.append(job)

    def _commit(self, batch: list[_Job[Any]]) -> None:
        try:
            self._do_all(batch)
        except BaseException as error:  # noqa: BLE001 - it is handed to whoever asked
            for job in batch:
                job.fail(error)
            self._roll_back()
        finally:
            _tell(batch)

    def _do_all(self, batch: list[_Job[Any]]) -> None:
        with translated(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            for job in batch:
                if len(batch) == 1:
                    job.run_alone(self._connection)
                else:
                    job.run(self._connection)
                # Those whom the last flush set going come one by one: they share the next one.
                self._take_queued(batch)
            self._connection.execute("COMMIT")

    def _roll_back(self) -> None:
        # SQLite rolls back by itself on some errors, a full disk among them.
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def _given_up(path: str) -> DiskError:
    return DiskError(
        f"the ledger {path} can no longer be written: its last moves could not be undone",
        "start the same command again: what was not recorded is looked at anew",
    )


def _tell(batch: list[_Job[Any]]) -> None:
    """Tell all who wait; an event loop is woken once for all in it."""
    loops: dict[asyncio.AbstractEventLoop | None, list[_Job[Any]]] = {}
    for job in batch:
        loops.setdefault(job.loop, []).append(job)
    for loop, jobs in loops.items():
        if loop is None:
            _tell_each(jobs)
        else:
            with suppress(RuntimeError):  # a loop that is closed has nobody left to tell
                loop.call_soon_threadsafe(_tell_each, jobs)


def _tell_each(jobs: list[_Job[Any]]) -> None:
    for job in jobs:
        job.tell()
