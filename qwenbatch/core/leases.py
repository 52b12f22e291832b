"""Who of a fleet may send what: leases, the errands handed out under them, attempts in flight.

A worker holds at most one lease, named by its fence, a number that only ever rises. An errand is
one handing-out of an edit; it is done under its lease, or given up with it, and then handed out
anew under another number. An attempt in flight keeps its edit from being handed out at all until
it lands, or its lease ends: then nobody knows, and it is doubted.

Every death is the end of a lease. A worker that comes back opens a new one and says what it still
has in flight: those attempts stay in flight under the new lease, whoever else thought them dead.
What was in flight when the ledger's keeper died belongs to nobody; it is held as in flight until
its worker says so, or the time of a lease has passed.

A worker that is cut off counts from the moment at which it asked for what was last answered, the
keeper from the moment at which it answered: so the worker always gives up first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from qwenbatch.core.attempts import AttemptId

if TYPE_CHECKING:
    from collections.abc import Iterable


NOBODY = 0
"""The fence under which attempts are held that belong to nobody yet."""

WORKERS_SHARE = 0.8
"""The part of a lease's time for which its worker trusts it: clocks do not run at one speed."""


class Surrendered(msgspec.Struct, frozen=True):
    """What leases leave behind: errands to hand out anew, and attempts whose end nobody knows."""

    unsent: tuple[int, ...] = ()
    doubted: tuple[AttemptId, ...] = ()


class _Lease(msgspec.Struct):
    worker: str
    expires: float
    errands: set[int] = msgspec.field(default_factory=set)


class _Flight(msgspec.Struct, frozen=True):
    fence: int
    errand: int | None


class LeaseTable:
    """The leases of one fleet. `term` is in seconds, moments are on one monotonic clock."""

    def __init__(self, term: float) -> None:
        self.term = term
        self._leases: dict[int, _Lease] = {}
        self._flights: dict[AttemptId, _Flight] = {}

    @property
    def in_flight(self) -> frozenset[AttemptId]:
        """Every attempt that has not landed, and is not doubted."""
        return frozenset(self._flights)

    @property
    def workers(self) -> dict[int, str]:
        """The workers that hold a lease, by its fence."""
        return {fence: lease.worker for fence, lease in self._leases.items() if fence != NOBODY}

    def hold_for_nobody(self, attempts: Iterable[AttemptId], now: float) -> None:
        """Attempts that were in flight when the keeper died: theirs is a lease's time."""
        self._leases[NOBODY] = _Lease("", now + self.term)
        for attempt in attempts:
            self._flights[attempt] = _Flight(NOBODY, None)

    def open(
        self,
        worker: str,
        fence: int,
        now: float,
        *,
        flying: Iterable[AttemptId] = (),
    ) -> Surrendered:
        """A worker's new lease; its earlier one ends, but for what it says is `flying` still.

        The fence must be higher than any before. What flies under another worker's lease stays
        there, and what is not in flight by this table, such as what was doubted, is left alone.
        """
        earlier = {number for number, lease in self._leases.items() if lease.worker == worker}
        self._leases[fence] = new = _Lease(worker, now + self.term)
        for attempt in flying:
            flight = self._flights.get(attempt)
            if flight is not None and flight.fence in {*earlier, NOBODY}:
                self._flights[attempt] = _Flight(fence, flight.errand)
                if flight.errand is not None:
                    self._leases[flight.fence].errands.discard(flight.errand)
                    new.errands.add(flight.errand)
        return self._end(earlier)

    def renew(self, fence: int, now: float) -> bool:
        """The worker was heard of; False if its lease is over."""
        lease = self._leases.get(fence)
        if lease is None:
            return False
        lease.expires = now + self.term
        return True

    def postpone(self, seconds: float) -> None:
        """The keeper itself stood still so long: nobody could have been heard."""
        for lease in self._leases.values():
            lease.expires += seconds

    def hand_out(self, fence: int, errand: int) -> bool:
        """An errand is the worker's; False if its lease is over."""
        lease = self._leases.get(fence)
        if lease is None:
            return False
        lease.errands.add(errand)
        return True

    def holds(self, fence: int, errand: int) -> bool:
        """Whether an errand may be gone on with under this lease."""
        lease = self._leases.get(fence)
        return lease is not None and errand in lease.errands

    def depart(self, fence: int, errand: int, attempt: AttemptId) -> bool:
        """A permit was given: the attempt flies until it lands; False if its lease is over."""
        if not self.holds(fence, errand):
            return False
        self._flights[attempt] = _Flight(fence, errand)
        return True

    def land(self, attempt: AttemptId) -> bool:
        """An attempt's end is recorded; False if it was late: doubted before, or never known."""
        return self._flights.pop(attempt, None) is not None

    def finish(self, errand: int) -> bool:
        """An errand is done, however; False if it had been given up."""
        for lease in self._leases.values():
            if errand in lease.errands:
                lease.errands.discard(errand)
                return True
        return False

    def lapse(self, now: float) -> Surrendered:
        """Every lease whose time has passed ends."""
        return self._end({fence for fence, one in self._leases.items() if one.expires <= now})

    def end_all(self) -> Surrendered:
        """The fleet is dissolved: every lease ends."""
        return self._end(set(self._leases))

    def _end(self, fences: set[int]) -> Surrendered:
        doubted = tuple(one for one, flight in self._flights.items() if flight.fence in fences)
        flying = {self._flights.pop(attempt).errand for attempt in doubted}
        unsent = [
            errand
            for fence in sorted(fences)
            for errand in sorted(self._leases.pop(fence).errands)
            if errand not in flying
        ]
        return Surrendered(tuple(unsent), doubted)
