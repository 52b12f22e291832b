"""The keeper's half of an attempt: slot, turn, permit, departure, and its landing or its doubt.

No POST is made without a permit that is durable, and none under a lease that is over: the lease is
looked at before the permit is written, and again once it is on the disk; one that ended meanwhile
gives its permit back, for its worker was never told. Deaths, in their order:

    before the permit            nothing was reserved; the errand is handed out anew
    permit written, not told     the worker's lease ends: doubted, though nothing was sent
    told, POST made or not       the same; a report that comes late heals it
    report kept by the worker    it is handed in by whoever comes up on that machine next
    report in the ledger         nothing leads back to a POST

Where the keeper dies, `sending` stays in the ledger and is held as in flight when it is back:
its worker's next hello claims it, its report lands it, and the time of a lease bounds the wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import msgspec

from qwenbatch.core.attempts import AttemptEnd, CapRefusal, Permit, PermitAnswer, PermitRequest
from qwenbatch.core.events import AttemptEnded
from qwenbatch.core.keys import EditKey
from qwenbatch.core.money import NOTHING, MicroUSD
from qwenbatch.core.plan import Edit
from qwenbatch.core.states import EditEvent
from qwenbatch.core.verdicts import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from qwenbatch.core.attempts import AttemptId
    from qwenbatch.core.leases import LeaseTable
    from qwenbatch.fleet.ports import Books, Governor, Report

_CUT_OFF = "its worker was not heard of any more"


class _Flight(msgspec.Struct):
    key: EditKey
    edit: Edit | None
    price: MicroUSD
    errand: int | None = None
    landed: anyio.Event = msgspec.field(default_factory=anyio.Event)
    event: EditEvent | None = None


class Tower:
    """Every attempt of the fleet that is in flight.

    `answered` is told the errand of each answer: it is paid, whether or not its worker lives to say
    that it is done. `late` is told of answers that came late.
    """

    def __init__(
        self,
        *,
        table: LeaseTable,
        governor: Governor,
        books: Books,
        report: Report,
        answered: Callable[[int], None],
        late: Callable[[EditKey], None],
    ) -> None:
        self._table = table
        self._governor = governor
        self._books = books
        self._report = report
        self._answered = answered
        self._late = late
        self._flights: dict[AttemptId, _Flight] = {}
        self._orphans: dict[EditKey, _Flight] = {}

    def hold(self, orphans: Mapping[AttemptId, EditKey], now: float) -> None:
        """Attempts that an earlier life of this keeper let go, and that nobody ended yet."""
        self._table.hold_for_nobody(orphans, now)
        for attempt, key in orphans.items():
            self._orphans[key] = self._flights[attempt] = _Flight(key, None, NOTHING)

    async def orphan(self, key: EditKey) -> EditEvent | None:
        """Wait for the end of an edit's attempt that was held; None if there is none."""
        flight = self._orphans.get(key)
        if flight is None:
            return None
        await flight.landed.wait()
        return flight.event

    async def empty(self) -> None:
        """Wait until nothing is in flight."""
        while self._flights:
            await next(iter(self._flights.values())).landed.wait()

    # ------------------------------------------------------------------ departure

    async def fly(
        self,
        fence: int,
        errand: int,
        edit: Edit,
        request: PermitRequest,
        tell: Callable[[PermitAnswer | None], None],
    ) -> None:
        """Lead an attempt from its slot to its landing; `tell` is called once.

        None: no POST may be made, for the run is stopping or the lease is over.
        """
        permit: PermitAnswer | None = None
        async with self._governor.slot() as has_slot:
            while has_slot and not self._governor.stopping:
                news = self._governor.news()
                if not await self._governor.turn():
                    break
                try:
                    permit = await self._permit(fence, errand, request)
                    if isinstance(permit, Permit):
                        await self._until_landed(errand, edit, request, permit, tell)
                        return
                finally:
                    self._governor.landed()
                if not isinstance(permit, CapRefusal):
                    break
                await self._governor.refused(permit, news)
                permit = None
        tell(permit)

    async def _permit(self, fence: int, errand: int, request: PermitRequest) -> PermitAnswer | None:
        """A permit that may be told, its POST due now; or why there is none."""
        if not self._table.holds(fence, errand):
            return None
        with anyio.CancelScope(shield=True):
            permit = await self._books.permit(request)
        if not isinstance(permit, Permit):
            return permit
        try:
            await self._governor.departs()
            if not self._governor.stopping and self._table.depart(fence, errand, request.attempt):
                return permit
        except BaseException:
            await self._give_back(request)
            raise
        await self._give_back(request)
        return None

    async def _give_back(self, request: PermitRequest) -> None:
        with anyio.CancelScope(shield=True):
            await self._books.release(request.key, request.attempt)
        self._governor.freed()

    async def _until_landed(
        self,
        errand: int,
        edit: Edit,
        request: PermitRequest,
        permit: Permit,
        tell: Callable[[PermitAnswer | None], None],
    ) -> None:
        flight = self._flights[request.attempt] = _Flight(request.key, edit, request.price, errand)
        tell(permit)
        await flight.landed.wait()

    # ------------------------------------------------------------------ landing

    async def release(self, key: EditKey, attempt: AttemptId) -> None:
        """A permit was not used. QwenbatchError if only the keeper's spool could take that."""
        try:
            await self._books.release(key, attempt)
        finally:
            self._land(key, attempt, EditEvent.RELEASED)
            self._governor.freed()

    async def end(self, ended: AttemptEnd) -> None:
        """Record how an attempt ended, whoever tells it and however late.

        QwenbatchError if only the keeper's spool could take it.
        """
        try:
            await self._books.end(ended)
        finally:
            self._land(ended.key, ended.attempt, ended.event)

    def landed(self, ended: AttemptEnd) -> None:
        """An end was recorded otherwise, from a worker's spool."""
        self._land(ended.key, ended.attempt, ended.event)

    def _land(self, key: EditKey, attempt: AttemptId, event: EditEvent) -> None:
        flew = self._table.land(attempt)
        flight = self._flights.pop(attempt, None)
        if flight is not None:
            flight.event = event
            flight.landed.set()
        if event is EditEvent.ANSWERED and not flew:
            self._late(key)
        elif event is EditEvent.ANSWERED and flight is not None and flight.errand is not None:
            self._answered(flight.errand)

    async def doubt(self, attempt: AttemptId) -> int | None:
        """Nobody knows what became of an attempt: its edit is uncertain from here on.

        The errand that sent it, if this keeper handed it out.
        """
        flight = self._flights.get(attempt)
        if flight is None:
            return None
        ended = AttemptEnd(
            key=flight.key,
            attempt=attempt,
            event=EditEvent.DOUBTED,
            kind=Kind.CUT_OFF,
            message=_CUT_OFF,
        )
        await self.end(ended)
        self._tell_doubted(flight, ended)
        return flight.errand

    def _tell_doubted(self, flight: _Flight, ended: AttemptEnd) -> None:
        self._report(
            AttemptEnded(
                key=ended.key.hex(),
                attempt=str(ended.attempt),
                image=flight.edit.keyed.row.image if flight.edit else "",
                kind=ended.kind,
                message=ended.message,
                request_id="",
                status=None,
                seconds=0.0,
                cost=flight.price,
                again_in=None,
                items=flight.edit.items if flight.edit else 1,
            ),
        )
