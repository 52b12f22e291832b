"""The keeper of a fleet's ledger: leases, permits and reports of all its workers in one place.

It lives where the ledger's disk is, as one event loop: between two awaits nothing else happens, so
that a lease, the governor and the books are never seen half changed.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, assert_never

import anyio
import msgspec

from qwenbatch.core.plan import Conducted
from qwenbatch.errors import QwenbatchError, UsageError
from qwenbatch.fleet.jobs import Jobs
from qwenbatch.fleet.messages import (
    Answer,
    Ask,
    Book,
    Call,
    End,
    Exchange,
    Finished,
    Heard,
    Hello,
    Release,
    Reply,
    Told,
    Welcome,
)
from qwenbatch.fleet.muster import LOOK, Muster
from qwenbatch.fleet.tower import Tower

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from anyio.abc import TaskGroup

    from qwenbatch.core.attempts import AttemptId, PermitAnswer
    from qwenbatch.core.keys import EditKey
    from qwenbatch.core.leases import LeaseTable, Surrendered
    from qwenbatch.fleet.lines import Line
    from qwenbatch.fleet.ports import Books, Governor, Placing, Report

MOST_OF_ONE = 1000
"""Edits that one worker may have in flight."""

GIVING_UP = 5.0
"""Seconds that workers have, after the second signal, to say what they had in flight."""


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """What is the same for all workers of a run: where edits are sent, and how many at once."""

    run: str
    version: str
    gateway: str
    concurrency: int


class Keeper:
    """Keeps one run's fleet."""

    def __init__(
        self,
        fleet: Fleet,
        *,
        first_fence: int,
        table: LeaseTable,
        governor: Governor,
        books: Books,
        monotonic: Callable[[], float],
        report: Report,
    ) -> None:
        self._fleet = fleet
        self._table = table
        self._governor = governor
        self._books = books
        self._now = monotonic
        self._report = report
        self._muster = Muster(governor, monotonic)
        self._give_up = False
        self._group: TaskGroup
        self._late: TaskGroup
        self.placing: Placing | None = None
        """Who places what was answered late, once there is one."""
        self.jobs = Jobs(first_fence, self._offer)
        self.tower = Tower(
            table=table,
            governor=governor,
            books=books,
            report=report,
            answered=self._answered,
            late=self._answered_late,
        )

    @asynccontextmanager
    async def open(self, orphans: Mapping[AttemptId, EditKey]) -> AsyncIterator[None]:
        """Keep the fleet; in the end nothing is in flight any more, or it is doubted.

        `orphans` are attempts that the ledger has as in flight.
        """
        async with anyio.create_task_group() as self._group:
            self.tower.hold(orphans, self._now())
            self._group.start_soon(self._watch_leases)
            self._group.start_soon(self._tell_of_stop)
            try:
                async with anyio.create_task_group() as self._late:
                    yield
                    await self.tower.empty()
            except BaseException:
                self._give_up = True
                raise
            finally:
                with anyio.CancelScope(shield=True):
                    await self._dissolve()
                self._group.cancel_scope.cancel()

    async def assembled(self, workers: int, seconds: float) -> None:
        """Wait for so many workers, some seconds at the most; for the first one somewhat longer.

        Raises UsageError if there is none, or as soon as one says that it cannot work.
        """
        await self._muster.assembled(workers, seconds)

    # ------------------------------------------------------------------ what workers call

    async def hello(self, hello: Hello) -> Welcome:
        """A lease for a worker; what its spools held is taken in first.

        Raises UsageError for one of another version, or that says itself that it cannot work.
        """
        refusal = hello.refusal or self._wrong_version(hello)
        if refusal is not None:
            self._muster.refuse(refusal)
            raise refusal
        for report in hello.reports:
            ended = await self._books.take_in(report)
            if ended is not None:
                self.tower.landed(ended)
        fence = await self._books.next_fence()
        now = self._now()
        surrendered = self._table.open(hello.worker, fence, now, flying=hello.flying)
        self._muster.keep(self._table.workers)
        self._muster.admit(fence)
        await self._take_back(surrendered)
        return Welcome(
            fence=fence,
            term=self._table.term,
            run=self._fleet.run,
            gateway=self._fleet.gateway,
        )

    async def exchange(self, exchange: Exchange) -> Reply:
        """Take what a worker has, give what there is for it."""
        line = self._muster.line(exchange.fence)
        if line is None or not self._table.renew(exchange.fence, self._now()):
            return Reply(gone=True, stopping=self._governor.stopping)
        for call in line.take(exchange):
            self._handle(line, call)
        self._offer()
        await line.gather()
        return line.reply(
            stopping=self._governor.stopping,
            give_up=self._give_up,
            slots=min(MOST_OF_ONE, ceil(self._fleet.concurrency / max(1, len(self._muster)))),
        )

    # ------------------------------------------------------------------ what it does about it

    def _handle(self, line: Line, call: Call) -> None:
        """What takes no time is done at once; all else in a task of its own."""
        message = call.message
        match message:
            case Told(event):
                self._report(event)
            case Heard():
                self._governor.heard(
                    message.kind,
                    retry_after=message.retry_after,
                    seconds=message.seconds,
                    again=message.again,
                )
            case Finished():
                if self._table.finish(message.errand):
                    self.jobs.finish(message)
            case Ask():
                self._group.start_soon(self._fly, line, call.number, message)
                return
            case End() | Release() | Book():
                self._group.start_soon(self._record, line, call.number, message)
                return
            case never:
                assert_never(never)
        line.answer(Answer(call.number))

    async def _fly(self, line: Line, number: int, ask: Ask) -> None:
        def tell(permit: PermitAnswer | None) -> None:
            line.answer(Answer(number, permit))

        edit = self.jobs.edit_of(ask.errand)
        if edit is None:
            tell(None)
            return
        try:
            await self.tower.fly(line.fence, ask.errand, edit, ask.request, tell)
        except QwenbatchError as error:
            line.answer(Answer(number, error=error))

    async def _record(self, line: Line, number: int, message: End | Release | Book) -> None:
        value = error = None
        try:
            match message:
                case End(ended):
                    await self.tower.end(ended)
                case Release(key, attempt):
                    await self.tower.release(key, attempt)
                case Book(errand, call, arguments):
                    if not self._table.holds(line.fence, errand):
                        raise QwenbatchError("the lease is over")  # noqa: TRY301 - told as the books' own
                    value = await self._books.placement_call(call, arguments)
                case never:
                    assert_never(never)
        except QwenbatchError as raised:
            error = raised
        line.answer(Answer(number, value, error))

    def _offer(self) -> None:
        """Hand out what waits, each to the worker with most hands free."""
        while (line := max(self._muster, key=_want, default=None)) and line.want > 0:
            errand = self.jobs.next()
            if errand is None:
                return
            if self._table.hand_out(line.fence, errand.number):
                line.hand(errand)
            else:
                line.want = 0
                self.jobs.hand_back(errand.number)

    def _answered(self, errand: int) -> None:
        if self._table.finish(errand):
            self.jobs.leave(errand, Conducted.EDITED)

    def _answered_late(self, key: EditKey) -> None:
        """An answer came to an edit that nobody waits for any more: it is paid, so it is placed."""
        if self.placing is not None:
            self._late.start_soon(partial(self.placing.place, key, paid_now=True))

    # ------------------------------------------------------------------ leases that end

    async def _watch_leases(self) -> None:
        looked = self._now()
        while True:
            await anyio.sleep(LOOK)
            now = self._now()
            if now - looked > 2 * LOOK:
                self._table.postpone(now - looked)
            looked = now
            await self._take_back(self._table.lapse(now))
            self._muster.keep(self._table.workers)
            self._muster.look()
            if self._governor.stopping:
                # Without a worker left, nobody would ever say so.
                self.jobs.leave_waiting(Conducted.LEFT, places=not len(self._muster))

    async def _take_back(self, surrendered: Surrendered) -> None:
        for errand in surrendered.unsent:
            self.jobs.hand_back(errand)
        for attempt in surrendered.doubted:
            sent_by = await self.tower.doubt(attempt)
            if sent_by is not None:
                self.jobs.leave(sent_by, Conducted.LEFT)

    async def _tell_of_stop(self) -> None:
        await self._governor.stopped()
        self._muster.wake()

    async def _dissolve(self) -> None:
        """Wait for what is in flight, not for long if it is given up; doubt the rest."""
        self._muster.wake()
        with anyio.move_on_after(GIVING_UP if self._give_up else None):
            await self.tower.empty()
        await self._take_back(self._table.end_all())
        self._muster.keep(())

    def _wrong_version(self, hello: Hello) -> UsageError | None:
        if hello.version == self._fleet.version:
            return None
        return UsageError(
            f"the worker on {hello.node} has qwenbatch {hello.version},"
            f" the fleet {self._fleet.version}",
            "install the same version on every machine",
        )


def _want(line: Line) -> int:
    return line.want
