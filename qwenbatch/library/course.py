"""One run in a thread and an event loop of its own, whatever the program does meanwhile.

What the program's thread is busy with holds up no answer, its event loop may be of any kind, and
what cancels its tasks does not break off a POST.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import anyio

from qwenbatch.core.canary import all_saved
from qwenbatch.core.stops import StopReason
from qwenbatch.library.teller import Teller
from qwenbatch.wiring.batch import Batch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from qwenbatch.core.canary import Canary
    from qwenbatch.core.outcomes import Outcome
    from qwenbatch.core.summary import Estimate, Summary
    from qwenbatch.library.listed import Listed
    from qwenbatch.wiring.settings import RunSettings


class Course:
    """A run that goes on. Its methods are called from any thread.

    `ended` has the summary once it is over, or what was raised; it cannot be cancelled. `rows` are
    the items, those of the settings' source if None.
    """

    def __init__(self, settings: RunSettings, rows: Listed | None) -> None:
        self.ended: Future[Summary] = Future()
        self.ended.set_running_or_notify_cancel()
        self.left = False
        """Whether it was told to stop sending."""
        self._settings = settings
        self._rows = rows
        self._teller = Teller(settings.out_folder)
        self._stops = _Stops()
        begun: Future[asyncio.AbstractEventLoop] = Future()
        threading.Thread(target=self._lead, args=(begun,), name="qwenbatch-run").start()
        self._loop = begun.result()

    def next_page(self) -> Future[list[Outcome]]:
        """The next outcomes, once there are any; none are left once the page is empty.

        To be called until a page is empty, unless `tell_nothing` or `leave` is: before that the
        run does not end.
        """
        return asyncio.run_coroutine_threadsafe(self._teller.next_page(), self._loop)

    def tell_nothing(self) -> None:
        """Nobody listens; the run goes on."""
        self._call(self._teller.leave)

    def leave(self) -> None:
        """Send nothing more, and tell nothing more; what is in flight is awaited."""
        if not self.left:
            self.left = True
            self._call(self._teller.leave)
            self._call(self._stops.ask)
            if self._rows is not None:
                self._rows.leave()

    def give_up(self) -> None:
        """Await nothing more: what is in flight is recorded as uncertain."""
        self.leave()
        self._call(self._stops.ask)

    def _call(self, step: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: the run is over
            self._loop.call_soon_threadsafe(step)

    def _lead(self, begun: Future[asyncio.AbstractEventLoop]) -> None:
        try:
            # Python's own loop, whichever the program has made its default: with uvloop the answer
            # of a gateway would be lost that refuses before it has read the whole request.
            loop = {"loop_factory": asyncio.SelectorEventLoop}
            summary = anyio.run(self._run, begun, backend_options=loop)
        except BaseException as error:  # noqa: BLE001 - it is handed to whoever waits
            if not begun.done():
                begun.set_exception(error)
            self.ended.set_exception(_alone(error))
        else:
            self.ended.set_result(summary)

    async def _run(self, begun: Future[asyncio.AbstractEventLoop]) -> Summary:
        begun.set_result(asyncio.get_running_loop())
        batch = Batch(
            self._settings,
            report=self._teller,
            ask=_agree,
            approve=_approve,
            stops=self._stops.opened,
            rows=self._rows,
            follower=self._teller,
        )
        try:
            return await batch.run()
        finally:
            self._teller.close()
            # Until then somebody may ask this loop for a page.
            await self._teller.heard_out()


class _Stops:
    """The program's own reasons to stop, in the run's event loop; two at the most count."""

    def __init__(self) -> None:
        self._asked: asyncio.Queue[StopReason] = asyncio.Queue()

    @contextmanager
    def opened(self) -> Iterator[AsyncIterator[StopReason]]:
        yield self

    def ask(self) -> None:
        if self._asked.qsize() <= 1:
            self._asked.put_nowait(StopReason.INTERRUPTED)

    def __aiter__(self) -> AsyncIterator[StopReason]:
        return self

    async def __anext__(self) -> StopReason:
        return await self._asked.get()


async def _agree(_: Estimate) -> bool:
    return True


async def _approve(canaries: Sequence[Canary], /) -> bool:
    return all_saved(canaries)


def _alone(error: BaseException) -> BaseException:
    """An error without the groups of tasks that it came through alone."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
