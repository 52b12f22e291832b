"""The ways from a lease's errands to the keeper: throttle, permits and books, as from near by."""

from __future__ import annotations

from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import anyio
import anyio.from_thread
import msgspec

from qwenbatch.core.attempts import Permit, StateRefusal
from qwenbatch.core.leases import WORKERS_SHARE
from qwenbatch.core.states import EditState
from qwenbatch.fleet.messages import Ask, Book, BookCall, End, Heard, Release, Told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from qwenbatch.core.attempts import (
        AttemptEnd,
        AttemptId,
        CapRefusal,
        PermitAnswer,
        PermitRequest,
    )
    from qwenbatch.core.events import Event
    from qwenbatch.core.holdings import Claimed, Known
    from qwenbatch.core.keys import EditKey
    from qwenbatch.core.placements import PaidEdit, Placement, Preparation, Saved
    from qwenbatch.core.verdicts import Kind
    from qwenbatch.fleet.messages import Welcome
    from qwenbatch.fleet.ports import Spool
    from qwenbatch.fleet.wire import Wire


class Doing(msgspec.Struct):
    """An errand that is being done."""

    number: int
    gave_up_placing: bool = False


DOING: ContextVar[Doing] = ContextVar("doing")
"""The errand of this task, and of the threads that it waits for."""


class Lease:
    """A lease as its worker sees it: trusted for a part of its time from when it was asked for.

    Whether it is over is told by the clock and not by a watch alone: a worker that stood still
    finds a permit to be acted on before its watch has had a turn.
    """

    def __init__(self, welcome: Welcome, asked: float, monotonic: Callable[[], float]) -> None:
        self.fence = welcome.fence
        self._time = welcome.term * WORKERS_SHARE
        self._until = asked + self._time
        self._now = monotonic
        self.over = anyio.Event()
        self.stop = anyio.Event()
        """Set where no new POST may be made: the run is stopping, or the lease is over."""

    def renewed(self, asked: float) -> None:
        """The keeper answered what was asked at that moment."""
        self._until = max(self._until, asked + self._time)

    def is_trusted(self) -> bool:
        """Whether it holds still; it ends by itself once its time has passed."""
        if self._now() >= self._until:
            self.end()
        return not self.over.is_set()

    def may_send(self) -> bool:
        """Whether a new POST may be made."""
        return self.is_trusted() and not self.stop.is_set()

    def end(self) -> None:
        """The lease is over."""
        self.over.set()
        self.stop.set()


class ThrottleAfar:
    """When a POST may start: slots are the worker's, all else is decided with the permit."""

    def __init__(self, lease: Lease, slots: anyio.CapacityLimiter, wire: Wire) -> None:
        self._lease = lease
        self._slots = slots
        self._wire = wire

    @property
    def stopping(self) -> bool:
        """Whether no new POST may be made under this lease."""
        return not self._lease.may_send()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[bool]:
        """One of this worker's places in flight; False if no new POST may be made."""
        async with self._slots:
            yield not self.stopping

    async def turn(self) -> bool:
        """The turn comes with the permit; False if no new POST may be made."""
        return not self.stopping

    async def departs(self) -> None:
        """The permit was told when its POST was due."""

    def landed(self) -> None:
        """The keeper knows by the attempt's end."""

    async def rest(self, seconds: float) -> bool:
        """Wait so many seconds to send an edit again; False as soon as none may be sent."""
        with anyio.move_on_after(seconds):
            await self._lease.stop.wait()
        return not self.stopping

    def news(self) -> int:
        """Nobody waits for it here: the keeper asks the caps again by itself."""
        return 0

    async def refused(self, refusal: CapRefusal, news: int) -> None:
        """The keeper waited already."""

    def heard(
        self,
        kind: Kind | None,
        *,
        retry_after: float | None,
        seconds: float,
        again: bool,
    ) -> None:
        """Let the one governor of the fleet know."""
        self._wire.tell(Heard(kind, retry_after, seconds, again))

    def freed(self) -> None:
        """The keeper knows by the attempt's release."""

    @asynccontextmanager
    async def placing(self) -> AsyncIterator[None]:
        """The keeper counts what waits for placement."""
        yield

    def gave_up_placing(self) -> None:
        """Said with the errand's end."""
        DOING.get().gave_up_placing = True


class PermitsAfar:
    """The ledger, for attempts: a permit comes from the keeper, an end is kept here first."""

    def __init__(self, lease: Lease, wire: Wire, spool: Spool, flying: set[AttemptId]) -> None:
        self._lease = lease
        self._wire = wire
        self._spool = spool
        self._flying = flying

    async def permit(self, request: PermitRequest) -> PermitAnswer:
        """A permit, told when its POST is due; a refusal where none may be made."""
        answer: PermitAnswer | None = None
        if self._lease.may_send():
            answer = await self._wire.ask(Ask(DOING.get().number, request))
        if isinstance(answer, Permit):
            self._flying.add(request.attempt)
        return StateRefusal(EditState.PENDING) if answer is None else answer

    async def release(self, key: EditKey, attempt: AttemptId) -> None:
        """Give back a permit that was not used."""
        await self._spool.keep_release(key, attempt)
        await self._hand_in(Release(key, attempt), attempt)

    async def end(self, ended: AttemptEnd) -> None:
        """Record how an attempt ended: here, and then in the ledger, however long that takes."""
        await self._spool.keep(ended)
        await self._hand_in(End(ended), ended.attempt)

    async def _hand_in(self, message: End | Release, attempt: AttemptId) -> None:
        try:
            await self._wire.ask(message)
        finally:
            self._flying.discard(attempt)
        await self._spool.handed_in()


class BooksAfar:
    """The ledger and the plan, for placements."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def paid_edit(self, key: EditKey) -> PaidEdit:
        """A paid edit with its answers and placements."""
        edit: PaidEdit = await self._call(BookCall.PAID_EDIT, key)
        return edit

    async def placement(self, key: EditKey, path: str) -> Placement | None:
        """An edit's placement at a path, if it is noted and not lost."""
        placement: Placement | None = await self._call(BookCall.PLACEMENT, key, path)
        return placement

    async def claimed(self, key: EditKey, path: str, suffix: str) -> Claimed:
        """What ledger and manifest have on an edit's path, and to whom it belongs."""
        claimed: Claimed = await self._call(BookCall.CLAIMED, key, path, suffix)
        return claimed

    async def prepare(self, preparation: Preparation) -> None:
        """Record a verified result's digest and path before it is renamed into place."""
        await self._call(BookCall.PREPARE, preparation)

    async def save(self, saved: Saved) -> None:
        """Record that a result is in place."""
        await self._call(BookCall.SAVE, saved)

    async def lose(self, key: EditKey, path: str) -> None:
        """Record that a paid result can no longer be had for a path."""
        await self._call(BookCall.LOSE, key, path)

    async def embedded_texts(self, key: EditKey, url: str) -> dict[str, str]:
        """The texts that a result carries."""
        texts: dict[str, str] = await self._call(BookCall.EMBEDDED_TEXTS, key, url)
        return texts

    def known_files(self, path: str) -> list[Known]:
        """Every result that the ledger ever had, or prepared, for a path; asked from a thread."""
        known: list[Known] = anyio.from_thread.run(
            self._wire.ask, Book(DOING.get().number, BookCall.KNOWN_FILES, (path,))
        )
        return known

    def is_source(self, absolute: str, device: int, inode: int) -> bool:
        """Whether a file is one that some row edits; asked from a thread."""
        asked = Book(DOING.get().number, BookCall.IS_SOURCE, (absolute, device, inode))
        found: bool = anyio.from_thread.run(self._wire.ask, asked)
        return found

    async def _call(self, call: BookCall, *arguments: Any) -> Any:
        return await self._wire.ask(Book(DOING.get().number, call, arguments))


class ReportAfar:
    """Tells the keeper's watchers what happens here."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def __call__(self, event: Event, /) -> None:
        """Tell an event."""
        self._wire.tell(Told(event))
