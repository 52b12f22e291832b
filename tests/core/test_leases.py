"""Leases, deaths and late reports in any order: no edit ever has two attempts in flight."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from qwenbatch.core.attempts import AttemptId
from qwenbatch.core.leases import LeaseTable, Surrendered

TERM = 10.0
EDITS = 6
WORKERS = ("a", "b", "c")
choice = st.integers(0, 1_000)


def _attempt(number: int) -> AttemptId:
    return AttemptId(UUID(int=number))


def test_lease_that_is_not_renewed_surrenders_what_it_held_in_two_kinds() -> None:
    table = LeaseTable(TERM)
    table.open("a", 1, 0.0)
    assert table.hand_out(1, 11)
    assert table.hand_out(1, 12)
    assert table.depart(1, 11, _attempt(1))
    assert table.lapse(9.9) == Surrendered()
    assert table.lapse(10.0) == Surrendered((12,), (_attempt(1),))
    assert not table.renew(1, 10.0)
    assert not table.depart(1, 12, _attempt(2)), "a fence that is over opens no door"
    assert not table.land(_attempt(1)), "its report is late"


def test_worker_that_comes_back_keeps_what_it_says_is_in_flight() -> None:
    table = LeaseTable(TERM)
    table.open("a", 1, 0.0)
    for errand in (11, 12, 13):
        table.hand_out(1, errand)
    table.depart(1, 11, _attempt(1))
    table.depart(1, 12, _attempt(2))
    assert table.open("a", 2, 5.0, flying=(_attempt(1),)) == Surrendered((13,), (_attempt(2),))
    assert table.holds(2, 11)
    assert table.lapse(14.9) == Surrendered()
    assert table.land(_attempt(1))


def test_no_worker_can_claim_what_another_has_in_flight() -> None:
    table = LeaseTable(TERM)
    table.open("a", 1, 0.0)
    table.hand_out(1, 11)
    table.depart(1, 11, _attempt(1))
    table.open("b", 2, 0.0, flying=(_attempt(1),))
    assert table.lapse(1.0) == Surrendered()
    assert not table.holds(2, 11)
    assert table.holds(1, 11)


def test_flights_of_a_dead_keeper_are_held_for_a_lease_and_then_doubted() -> None:
    table = LeaseTable(TERM)
    table.hold_for_nobody([_attempt(1), _attempt(2)], 0.0)
    table.open("a", 7, 1.0, flying=(_attempt(2),))
    assert table.lapse(10.0) == Surrendered((), (_attempt(1),))
    assert table.in_flight == {_attempt(2)}
    assert table.workers == {7: "a"}


def test_keeper_that_stood_still_ends_no_lease_for_it() -> None:
    table = LeaseTable(TERM)
    table.open("a", 1, 0.0)
    table.postpone(30.0)
    assert table.lapse(35.0) == Surrendered()


@dataclass
class _Worker:
    """A process: what it has been handed, and the attempts whose answer it waits for."""

    name: str
    fence: int = 0
    errands: dict[int, int] = field(default_factory=dict)
    flying: dict[AttemptId, tuple[int, int]] = field(default_factory=dict)
    """Attempts in flight, each with its edit and errand."""


class Fleet(RuleBasedStateMachine):
    """A keeper's table, the ledger's states, and workers that die, stall and come back."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.table = LeaseTable(TERM)
        self.numbers = 0
        self.pending = set(range(EDITS))
        self.out: dict[int, int] = {}
        self.sending: dict[AttemptId, int] = {}
        self.uncertain: dict[AttemptId, int] = {}
        self.edited: set[int] = set()
        self.really_sent: dict[int, set[AttemptId]] = {}
        self.workers = [_Worker(name) for name in WORKERS]

    def _next(self) -> int:
        self.numbers += 1
        return self.numbers

    def _take_back(self, surrendered: Surrendered) -> None:
        for errand in surrendered.unsent:
            self.pending.add(self.out.pop(errand))
        for attempt in surrendered.doubted:
            self.uncertain[attempt] = self.sending.pop(attempt)

    def _worker(self, number: int) -> _Worker:
        return self.workers[number % len(self.workers)]

    @rule(which=choice)
    def hello(self, which: int) -> None:
        worker = self._worker(which)
        worker.fence = self._next()
        worker.errands.clear()
        flying = tuple(worker.flying)
        self._take_back(self.table.open(worker.name, worker.fence, self.now, flying=flying))

    @rule(which=choice)
    def lease(self, which: int) -> None:
        worker = self._worker(which)
        if self.pending and self.table.renew(worker.fence, self.now):
            edit, errand = min(self.pending), self._next()
            assert self.table.hand_out(worker.fence, errand)
            self.pending.discard(edit)
            self.out[errand] = worker.errands[errand] = edit

    @rule(which=choice)
    def permit(self, which: int) -> None:
        worker = self._worker(which)
        for errand, edit in list(worker.errands.items()):
            attempt = _attempt(self._next())
            if self.table.depart(worker.fence, errand, attempt):
                assert edit not in self.sending.values(), "two attempts of one edit in flight"
                assert edit not in self.uncertain.values(), "resent unasked"
                assert edit not in self.edited, "paid for again"
                self.sending[attempt] = edit
                self.really_sent.setdefault(edit, set()).add(attempt)
                worker.flying[attempt] = edit, errand
                del worker.errands[errand]
                self.out.pop(errand)
                return

    @rule(which=choice, paid=st.booleans())
    def report(self, which: int, paid: bool) -> None:  # noqa: FBT001 - hypothesis passes by name
        worker = self._worker(which)
        if not worker.flying:
            return
        attempt, (edit, errand) = next(iter(worker.flying.items()))
        del worker.flying[attempt]
        if self.table.land(attempt):
            # Its errand is done, or another one is made of it.
            self.table.finish(errand)
            del self.sending[attempt]
            if paid:
                self.edited.add(edit)
            else:
                self.really_sent[edit].discard(attempt)
                self.pending.add(edit)
        elif paid and attempt in self.uncertain:
            del self.uncertain[attempt]
            self.edited.add(edit)

    @rule(which=choice)
    def worker_dies(self, which: int) -> None:
        worker = self._worker(which)
        worker.errands.clear()
        worker.flying.clear()

    @rule(seconds=st.floats(0.1, 15.0))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self._take_back(self.table.lapse(self.now))

    @precondition(lambda self: self.numbers > 0)
    @rule()
    def keeper_dies(self) -> None:
        self.table = LeaseTable(TERM)
        self.table.hold_for_nobody(self.sending, self.now)
        self.pending |= set(self.out.values())
        self.out.clear()

    @invariant()
    def every_edit_is_in_one_place(self) -> None:
        places = [
            *self.pending,
            *self.out.values(),
            *self.sending.values(),
            *self.uncertain.values(),
            *self.edited,
        ]
        assert sorted(places) == list(range(EDITS))

    @invariant()
    def the_table_knows_what_is_in_flight(self) -> None:
        assert self.table.in_flight == set(self.sending)

    @invariant()
    def nothing_is_sent_twice_that_may_be_paid(self) -> None:
        assert all(len(sent) <= 1 for sent in self.really_sent.values())


TestFleet = Fleet.TestCase
TestFleet.settings = settings(max_examples=200, stateful_step_count=40)
