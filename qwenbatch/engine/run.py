"""One run over a plan: what is paid is placed first, then edits are sent, until done or stopped."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio

from qwenbatch.core.canary import Canary
from qwenbatch.core.events import RowRefused, RowWarned
from qwenbatch.core.items import Fault
from qwenbatch.core.plan import Conducted, Fate
from qwenbatch.core.sources import Problem
from qwenbatch.core.stops import StopReason
from qwenbatch.core.verdicts import Kind
from qwenbatch.errors import PictureError, QwenbatchError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

    from qwenbatch.core.keys import EditKey
    from qwenbatch.core.plan import Edit
    from qwenbatch.engine.governor import Governor
    from qwenbatch.engine.ports import (
        Agenda,
        Approve,
        EditConductor,
        Rekeyer,
        Report,
        ResultPlacer,
        RunBook,
    )

LIVES_PER_SLOT = 4
"""Edits that may be under way, waiting ones too, for each that may be in flight."""

WAITING_PAGE = 64
"""Paid edits that wait for placement, taken from the ledger at once."""


class Run:
    """Brings a plan to its end."""

    def __init__(
        self,
        *,
        conductor: EditConductor,
        placer: ResultPlacer,
        governor: Governor,
        agenda: Agenda,
        book: RunBook,
        rekeyer: Rekeyer,
        lives: int,
        canaries: int,
        approve: Approve,
        report: Report,
    ) -> None:
        self._conductor = conductor
        self._placer = placer
        self._governor = governor
        self._agenda = agenda
        self._book = book
        self._rekeyer = rekeyer
        self._lives = anyio.Semaphore(lives, fast_acquire=True)
        self._canaries = canaries
        self._approve = approve
        self._report = report
        self._defect: Exception | None = None

    async def __call__(self, *, send: bool = True) -> None:
        """Place what waits, send what is to be sent; when it returns, nothing is in flight.

        Without `send` only what is paid for is placed.
        A disk that fails stops the run; whatever else is raised in an edit's life, a defect,
        leaves through here once the others have landed: it costs them nothing.
        """
        try:
            await self._bring_all(send=send)
        finally:
            if self._defect is not None:
                raise self._defect

    async def _bring_all(self, *, send: bool) -> None:
        async with anyio.create_task_group() as ramp:
            ramp.start_soon(self._governor.ramp_up)
            async with anyio.create_task_group() as group:
                try:
                    await self._start_placing(group)
                    if send:
                        tried = await self._try_canaries()
                        await self._start_sending(group, but=tried)
                except QwenbatchError as error:
                    self._governor.stop(StopReason.DISK, error.what)
            # A short run ends before the ramp does, and does not wait for it.
            ramp.cancel_scope.cancel()

    async def _start_placing(self, group: TaskGroup) -> None:
        """Edits that are paid for come first, this manifest's or not, stopping or not."""
        last = 0
        while page := await self._book.next_waiting(last, WAITING_PAGE):
            for last, key in page:  # noqa: B007 - the last one begins the next page
                if self._defect or self._governor.stopped_by is StopReason.DISK:
                    return
                await self._spawn(group, partial(self._place, key))

    async def _try_canaries(self) -> frozenset[EditKey]:
        """Bring a few edits to their end first; the run stops unless they are approved of."""
        if not self._canaries:
            return frozenset()
        edits = await self._agenda.canaries(self._canaries)
        async with anyio.create_task_group() as group:
            for edit in edits:
                await self._spawn(group, partial(self._live, edit))
        if edits and not self._governor.stopping:
            canaries = [await self._canary(edit) for edit in edits]
            if not await self._approve(canaries):
                self._governor.stop(StopReason.CANARY, "only the canaries were sent")
        return frozenset(edit.key for edit in edits)

    async def _canary(self, edit: Edit) -> Canary:
        """What became of a canary, under the key that its paths have by now."""
        result = None
        for path in edit.paths:
            key = await self._agenda.owner(path)
            placement = None if key is None else await self._book.placement(key, path)
            if placement is not None and placement.stamp is not None:
                result = result or placement.file
        row = edit.keyed.row
        return Canary(image=row.image, instruction=row.instruction, result=result)

    async def _start_sending(self, group: TaskGroup, *, but: frozenset[EditKey]) -> None:
        async for edit in self._agenda.edits():
            if self._governor.stopping:
                return
            if edit.key not in but:
                await self._spawn(group, partial(self._live, edit))

    async def _spawn(self, group: TaskGroup, life: Callable[[], Awaitable[None]]) -> None:
        """Start a life as soon as there is room for one more."""
        await self._lives.acquire()

        async def lead() -> None:
            try:
                await life()
            except QwenbatchError as error:
                # The disk, or a ledger that another program keeps busy: the others may still land.
                self._governor.stop(StopReason.DISK, error.what)
            except Exception as error:  # noqa: BLE001 - raised once nothing is in flight
                self._defect = self._defect or error
                self._governor.end_sending()
            finally:
                self._lives.release()

        group.start_soon(lead)

    async def _place(self, key: EditKey) -> None:
        await self._placer.place(key, paid_now=False)

    async def _live(self, edit: Edit) -> None:
        """An edit from its first turn to its last placement."""
        match edit.fate:
            case Fate.PLACE:
                await self._book.want(edit.key, edit.paths)
                await self._place(edit.key)
                return
            case Fate.RESEND_LOST:
                # Its URL is tried once more; only what is then still lost is sent again.
                await self._book.want(edit.key, edit.paths)
                await self._placer.place(edit.key, paid_now=False, waits=())
                if not await self._book.is_lost(edit.key):
                    return
            case _:
                pass
        try:
            end = await self._conductor.conduct(edit)
        except PictureError as error:
            await self._refuse(edit, error.what, error.advice)
            return
        match end:
            case Conducted.EDITED:
                await self._placer.place(edit.key, paid_now=True)
            case Conducted.CHANGED:
                await self._key_anew(edit)
            case Conducted.LEFT:
                pass

    async def _key_anew(self, edit: Edit) -> None:
        """The source changed: its edit gets its new key, once in a run; then it is left."""
        keyed = None if edit.rekeyed else await self._rekeyer.rekey(edit.keyed)
        if keyed is None or (isinstance(keyed, Problem) and keyed.passing):
            if keyed is not None:
                self._report(_cannot_be_read(edit, keyed))
            await self._book.remember_kind(edit.key, Kind.SOURCE_CHANGED)
            return
        if isinstance(keyed, Problem):
            await self._refuse(edit, keyed.what, keyed.advice)
            return
        for one in await self._agenda.rekey(edit, keyed):
            await self._live(one)

    async def _refuse(self, edit: Edit, what: str, advice: str) -> None:
        """The rows with this source are invalid; others of the same edit are sent from theirs."""
        row = edit.keyed.row
        fault = Fault(reason=what, column="image", advice=advice)
        rest = await self._agenda.refuse(edit, fault)
        where = f"line {row.line}, image" if row.line else "image"
        self._report(RowRefused(where=where, image=row.image, reason=what, advice=advice))
        if rest is not None:
            await self._live(rest)


def _cannot_be_read(edit: Edit, problem: Problem) -> RowWarned:
    """A source that cannot be read for now: its edit is left to the next run."""
    row = edit.keyed.row
    where = f"line {row.line}, image" if row.line else "image"
    return RowWarned(where=where, image=row.image, warning=f"not sent: {problem.what}")
