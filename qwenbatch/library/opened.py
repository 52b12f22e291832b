"""`qwenbatch.open`: runs inside a program's event loop, outcome by outcome."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Self

import anyio

from qwenbatch.cli.places import place
from qwenbatch.errors import UsageError
from qwenbatch.library.beginning import ITEMS, begin
from qwenbatch.library.settings import Settings
from qwenbatch.wiring.places import absolute

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Iterable
    from types import TracebackType

    from qwenbatch.core.outcomes import Outcome
    from qwenbatch.core.summary import Summary
    from qwenbatch.library.course import Course
    from qwenbatch.library.settings import StrPath
    from qwenbatch.manifest.item_rows import Item


def open(out: StrPath, settings: Settings | None = None) -> Batch:  # noqa: A001 - qwenbatch.open
    """Runs with their results and ledger in `out`, for `async with`, in asyncio's event loop.

    Nobody is asked before a run pays: set `max_cost` or `budget`. Raises UsageError where a
    setting makes no sense; nothing is made on the disk before a run begins.
    """
    return Batch(out, settings or Settings())


class Batch:
    """One OUT and its settings; runs follow each other in it. Made by `open`.

    On leaving the block, for whatever reason, nothing more is sent; what is in flight is awaited,
    no longer than the `timeout`, and recorded. Cancelled once more while it waits, it gives up
    what is in flight, recorded as uncertain. The first exception is the one that is raised.
    """

    def __init__(self, out: StrPath, settings: Settings) -> None:
        self._out = absolute(place(os.fspath(out)))
        self._settings = settings
        self._course: Course | None = None
        self._summary: Summary | None = None
        self._entered = False
        settings.of_run(Path(ITEMS), self._out)

    @property
    def summary(self) -> Summary:
        """How the last run ended: counts, money in micro-dollars (see `dollars`), `stopped_by`.

        A run that was left has one once the block is left. UsageError before a run has ended.
        """
        if self._summary is None:
            raise UsageError("there is no summary: no run has ended", "iterate one to its end")
        return self._summary

    async def run(
        self,
        items: StrPath | Iterable[Item] | AsyncIterable[Item],
        *,
        name: str = ITEMS,
    ) -> AsyncGenerator[Outcome, None]:
        """Run over items; each item's outcome, once, as soon as nothing more becomes of it here.

        `items` is the path of a manifest or folder, or the items themselves: they are taken one by
        one, in another thread, and never held whole. `name` is the name under which the ledger
        remembers them, as it does a manifest's path: status, report and export tell of the items
        of each name as its last run saw them. A result that is in place already comes at once;
        what is still pending comes last. Outcomes may be taken as slowly as one likes.

        The run begins with the first step of the iteration. Leaving it early ends the sending. A
        cap, a deadline or a gateway's refusal is no error: see `summary.stopped_by`.

        Raises, on iteration, UsageError outside of `async with`, or while another run of this batch
        is being iterated; ManifestError, LedgerError, LedgerBusyError and DiskError where the run
        cannot begin; and what `items` raises.
        """
        await self._make_room()
        loop = asyncio.get_running_loop()
        course = begin(items, name, self._settings, self._out, loop=loop)
        self._course = course
        try:
            while page := await asyncio.wrap_future(course.next_page()):
                for outcome in page:
                    yield outcome
            await self._see_out(course)
        finally:
            course.leave()

    async def __aenter__(self) -> Self:
        """Let runs begin; UsageError in another event loop than asyncio's."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            raise UsageError("`open` works in asyncio's event loop", "or call run()") from None
        self._entered = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let a run that goes on come to its end."""
        self._entered = False
        if self._course is None:
            return
        self._course.leave()
        try:
            await self._see_out(self._course)
        except Exception:
            if error is None:
                raise

    async def _make_room(self) -> None:
        """Before a run: refuse it where none may begin; let one that was left end first."""
        if not self._entered:
            raise UsageError("no run can begin outside of its block", "async with qwenbatch.open")
        if self._course is not None and not self._course.left:
            raise UsageError(
                "a run of this batch is going on",
                "iterate it to its end first, or open another folder",
            )
        if self._course is not None:
            await self._see_out(self._course)

    async def _see_out(self, course: Course) -> None:
        """Wait for a run's end, keep its summary, raise what it raised.

        Cancelled meanwhile, what is in flight is given up; the run ends soon then.
        """
        cancelled: asyncio.CancelledError | None = None
        # A scope of anyio's, once cancelled, cancels every wait: only a task's own counts here.
        with anyio.CancelScope(shield=True):
            while not course.ended.done():
                try:
                    await asyncio.wait([asyncio.wrap_future(course.ended)])
                except asyncio.CancelledError as error:
                    course.give_up()
                    cancelled = error
        if self._course is course:
            self._course = None
        if course.ended.exception() is None:
            self._summary = course.ended.result()
        if cancelled is not None:
            raise cancelled
        course.ended.result()
