"""Random interleavings of all that can happen to edits, against a model in plain Python."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import product
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from qwenbatch.core.attempts import CapRefusal, Permit, StateRefusal
from qwenbatch.core.budget import Budget, Cap, Caps, Period
from qwenbatch.core.money import MicroUSD
from qwenbatch.core.occupancy import Claim
from qwenbatch.core.plan import Asked, Fate, Standing, fate_of
from qwenbatch.core.settling import Chosen, Ruling
from qwenbatch.core.states import EditEvent, EditState, PlacementState
from qwenbatch.core.verdicts import Kind
from qwenbatch.ledger import auditing, census, database, placements, runs, settling
from qwenbatch.ledger.spool import SpooledEnd, SpooledRelease
from tests.ledger.conftest import DAY, Book, attempt_of, ended, key_of, state_item

if TYPE_CHECKING:
    import apsw

    from qwenbatch.ledger.spool import Spooled

P, S, E, U, F = EditState
EDITS = range(2)
PATHS = ("a.png", "b.png")
ENDS = st.sampled_from(
    [EditEvent.ANSWERED, EditEvent.RETRIABLE, EditEvent.REFUSED, EditEvent.DOUBTED],
)
ASKED = [
    Asked(resend_uncertain=uncertain, resend_lost=lost, retry_failed=failed)
    for uncertain, lost, failed in product([False, True], repeat=3)
]
ASKED += [Asked(retry_kinds=frozenset({kind})) for kind in (Kind.MODERATED, Kind.INVALID)]
"""What may be asked for on the command line."""
MONEY = {
    EditEvent.ANSWERED: "paid",
    EditEvent.RETRIABLE: "unpaid",
    EditEvent.REFUSED: "unpaid",
    EditEvent.DOUBTED: "uncertain",
}


@dataclass
class Try:
    """An attempt, as the model has it."""

    run: int
    day: int
    price: int
    state: str = "reserved"
    url: bool = False


@dataclass
class Model:
    """An edit, as the money rules tell it."""

    state: EditState = P
    origin: EditState = P
    flying: int | None = None
    tries: dict[int, Try] = field(default_factory=dict)
    placements: dict[str, str] = field(default_factory=dict)
    given_back: set[int] = field(default_factory=set)

    @property
    def open(self) -> list[Try]:
        return [one for one in self.tries.values() if one.state != "unpaid"]

    @property
    def lost(self) -> bool:
        return set(self.placements.values()) == {"lost"}

    def land(self, event: EditEvent) -> None:
        """The money rules, once more, in other words than the table's."""
        resend = self.origin in {U, E}
        self.flying = None
        if event is EditEvent.ANSWERED:
            self.state = E
            self.find_again()
        elif event is EditEvent.DOUBTED:
            self.state = U
        elif resend:
            self.state = self.origin
        else:
            self.state = F if event is EditEvent.REFUSED else P

    def hear(self, attempt: int) -> None:
        """An answer, for whatever attempt, whenever it comes."""
        self.tries[attempt].state, self.tries[attempt].url = "paid", True
        if attempt == self.flying:
            self.land(EditEvent.ANSWERED)
            return
        self.find_again()
        if self.state is S:
            self.origin = E
        else:
            self.state = E

    def fly_home(self, event: EditEvent) -> None:
        """The attempt in flight ends so."""
        assert self.flying is not None
        if event is EditEvent.ANSWERED:
            self.hear(self.flying)
        else:
            self.tries[self.flying].state = MONEY[event]
            self.land(event)

    def give_back(self) -> None:
        """The permit was not used."""
        assert self.flying is not None
        del self.tries[self.flying]
        self.given_back.add(self.flying)
        self.flying, self.state = None, self.origin

    def settle(self, ruling: Ruling, day: int | None) -> None:
        """The invoice speaks, of all uncertain attempts or of one day's."""
        chosen = [
            one
            for one in self.tries.values()
            if one.state == "uncertain" and day in {None, one.day}
        ]
        for one in chosen:
            one.state = ruling.value
        left = {one.state for one in self.tries.values()}
        if not chosen or self.state is not U or ("uncertain" in left and "paid" not in left):
            return
        self.state = E if "paid" in left else P
        if self.state is E and not any(one.url for one in self.tries.values()):
            for path, state in self.placements.items():
                self.placements[path] = "lost" if state == "waiting" else state

    def fate(self, path: str, asked: Asked) -> Fate:
        """What is paid is placed wherever it is wanted; nothing but the new is sent unasked."""
        if self.state is E:
            if self.placements.get(path) != "lost":
                return Fate.PLACE
            return Fate.RESEND_LOST if asked.resend_lost else Fate.HELD
        sent = {
            P: True,
            F: Kind.MODERATED in asked.retry_kinds or asked.retry_failed,
            U: asked.resend_uncertain,
            S: asked.resend_uncertain,
        }
        return Fate.SEND if sent[self.state] else Fate.HELD

    def find_again(self) -> None:
        for path, state in self.placements.items():
            if state == "lost":
                self.placements[path] = "waiting"


class LedgerMachine(RuleBasedStateMachine):
    """Edits, runs and days that come as they may."""

    def __init__(self) -> None:
        super().__init__()
        self.db: apsw.Connection = database.blank()
        self.book = Book(self.db)
        self.state_items()
        self.models = {number: Model() for number in EDITS}
        self.next_attempt = 1
        self.last: tuple[int, int] | None = None
        self.spool: list[Spooled] = []
        self.begin()

    def state_items(self) -> None:
        """Items at every path of every edit, one of them twice, and an invalid one."""
        self.db.execute("INSERT INTO manifests VALUES (1, '/m.csv')")
        wanted = [(key_of(number), path, None) for number in EDITS for path in PATHS]
        for number, (key, path, fault) in enumerate([*wanted, wanted[0], (None, None, "bad")], 1):
            state_item(self.db, number, key, path, fault)

    def teardown(self) -> None:
        self.db.close()

    def begin(self) -> None:
        count = self.db.execute("SELECT count(*) FROM runs").get
        with self.db:
            self.book.run = runs.begin(
                self.db,
                name=f"run {count}",
                manifest="/m.csv",
                spooled=self.spool,
                now=self.book.now,
            )
        self.recover()
        for model in self.models.values():
            if model.state in {P, F}:
                model.placements = {
                    path: state for path, state in model.placements.items() if state != "waiting"
                }

    def recover(self) -> None:
        """What the spool has counts first; what is still in flight then is in doubt."""
        for record in self.spool:
            attempt = (record.ended if isinstance(record, SpooledEnd) else record).attempt.int
            (model,) = (
                one for one in self.models.values() if attempt in {*one.tries, *one.given_back}
            )
            if isinstance(record, SpooledEnd) and record.ended.event is EditEvent.ANSWERED:
                model.hear(attempt)
            elif model.flying != attempt:
                continue
            elif isinstance(record, SpooledEnd):
                model.fly_home(record.ended.event)
            else:
                model.give_back()
        for model in self.models.values():
            if model.flying is not None:
                model.fly_home(EditEvent.DOUBTED)
                if model.origin is E and not model.lost:
                    # An answer came late while it was sent again: its result can be had.
                    model.state = E

    # ------------------------------------------------------------------ what happens

    @rule(
        number=st.sampled_from(EDITS),
        price=st.integers(0, 5),
        planned=st.none() | st.none() | st.sampled_from(EditState),
        paths=st.sets(st.sampled_from(PATHS), min_size=1),
        cap=st.none() | st.none() | st.integers(0, 20),
        weekly=st.booleans(),
    )
    def permit(
        self,
        number: int,
        price: int,
        planned: EditState | None,
        paths: set[str],
        cap: int | None,
        *,
        weekly: bool,
    ) -> None:
        self.ask(number, price, planned or self.models[number].state, paths, cap, weekly=weekly)

    def ask(
        self,
        number: int,
        price: int,
        expected: EditState,
        paths: set[str],
        cap: int | None = None,
        *,
        weekly: bool = False,
    ) -> None:
        attempt, self.next_attempt = self.next_attempt, self.next_attempt + 1
        model = self.models[number]
        budget = Budget(MicroUSD(cap or 0), Period.WEEK)
        self.book.caps = Caps() if cap is None else Caps(max_cost=MicroUSD(cap))
        if weekly and cap is not None:
            self.book.caps = Caps(budget=budget)
        answer = self.book.permit(
            number,
            attempt,
            expected=expected,
            price=price,
            paths=tuple(sorted(paths)),
        )
        may = model.state is P or (model.state is expected and model.state is not S)
        if not may or (model.state is E and not model.lost):
            assert answer == StateRefusal(model.state)
            return
        if cap is not None and self.counted(weekly=weekly) + price > cap:
            assert isinstance(answer, CapRefusal)
            assert answer.cap is (Cap.BUDGET if weekly else Cap.MAX_COST)
            assert answer.reserved == self.sum("reserved", run=self.book.run)
            return
        assert isinstance(answer, Permit)
        model.origin, model.state, model.flying = model.state, S, attempt
        model.tries[attempt] = Try(self.book.run, self.book.now // DAY, price)
        for path in paths:
            model.placements.setdefault(path, "waiting")
        self.last = number, attempt

    @precondition(lambda self: self.last is not None)
    @rule()
    def ask_again(self) -> None:
        assert self.last is not None
        number, attempt = self.last
        if self.models[number].flying == attempt:
            self.book.caps = Caps(max_cost=MicroUSD(0))
            assert isinstance(self.book.permit(number, attempt), Permit)

    @rule(number=st.sampled_from(EDITS), event=ENDS)
    def end(self, number: int, event: EditEvent) -> None:
        self.end_flight(number, event)

    def end_flight(self, number: int, event: EditEvent) -> None:
        model = self.models[number]
        if model.flying is None or self.is_spooled(model.flying):
            return
        self.book.end(number, model.flying, event)
        model.fly_home(event)

    @rule(
        number=st.sampled_from(EDITS), event=ENDS, path=st.sampled_from(PATHS), lost=st.booleans()
    )
    def send(self, number: int, event: EditEvent, path: str, *, lost: bool) -> None:
        """A whole attempt at once, and perhaps its result given up: much happens after that."""
        model = self.models[number]
        if model.flying is not None:
            return
        self.ask(number, 2, model.state, {path})
        self.end_flight(number, event)
        if lost and model.state is E and model.placements.get(path) == "waiting":
            self.book.lose(number, path)
            model.placements[path] = "lost"

    @rule(number=st.sampled_from(EDITS))
    def release(self, number: int) -> None:
        model = self.models[number]
        if model.flying is None or self.is_spooled(model.flying):
            return
        self.book.release(number, model.flying)
        model.give_back()

    @rule(number=st.sampled_from(EDITS), event=ENDS | st.none())
    def end_on_a_full_disk(self, number: int, event: EditEvent | None) -> None:
        """Only the spool takes it; `None`: that no POST was made."""
        attempt = self.models[number].flying
        if attempt is None or self.is_spooled(attempt):
            return
        if event is None:
            self.spool.append(SpooledRelease(key_of(number), attempt_of(attempt)))
        else:
            self.spool.append(SpooledEnd(ended(number, attempt, event), self.book.now))

    def is_spooled(self, attempt: int) -> bool:
        """Whether the run that sent it is as good as dead."""
        return any(
            (record.ended if isinstance(record, SpooledEnd) else record).attempt.int == attempt
            for record in self.spool
        )

    @rule(number=st.sampled_from(EDITS), which=st.integers(0, 5), event=ENDS)
    def hear_late(self, number: int, which: int, event: EditEvent) -> None:
        model = self.models[number]
        landed = [attempt for attempt in model.tries if attempt != model.flying]
        if not landed:
            return
        attempt = landed[which % len(landed)]
        self.book.end(number, attempt, event)
        if event is EditEvent.ANSWERED:
            model.hear(attempt)

    @rule(twice=st.booleans())
    def die_and_begin_anew(self, *, twice: bool) -> None:
        """And perhaps die again before the spool is emptied."""
        self.begin()
        if twice:
            self.begin()
        self.spool.clear()

    @rule(
        ruling=st.sampled_from(Ruling),
        only=st.none() | st.sampled_from(EDITS),
        ago=st.none() | st.integers(0, 9),
    )
    def settle(self, ruling: Ruling, only: int | None, ago: int | None) -> None:
        day = None if ago is None else self.book.now // DAY - ago
        chosen = Chosen(
            edit=None if only is None else key_of(only).hex(),
            day=None if day is None else date(1970, 1, 1) + timedelta(days=day),
        )
        before = self.book.money_of_all()
        with self.db:
            done = settling.settle(self.db, ruling, chosen, spooled=self.spool, now=self.book.now)
        self.recover()
        doubted = self.sum("uncertain")
        for number, model in self.models.items():
            if only in {None, number}:
                model.settle(ruling, day)
        assert done.amount == doubted - self.sum("uncertain")
        assert done.left_amount == self.sum("uncertain")
        if ruling is Ruling.PAID and not self.spool:
            assert sum(before) == sum(self.book.money_of_all()), "money moves, none appears"

    @rule(
        number=st.sampled_from(EDITS),
        path=st.sampled_from(PATHS),
        asked=st.sampled_from(ASKED),
    )
    def plan(self, number: int, path: str, asked: Asked) -> None:
        """A manifest, edited as it may be, with whatever was asked for on the command line."""
        model = self.models[number]
        standing = self.standing(number, path)
        match fate_of(standing, Claim.FREE, asked):
            case Fate.PLACE:
                with self.db:
                    placements.want_again(self.db, key_of(number), path)
                model.placements[path] = "waiting"
            case Fate.SEND | Fate.RESEND_LOST:
                self.ask(number, 3, standing.edit or P, {path})
            case _:
                pass

    def standing(self, number: int, path: str) -> Standing:
        row = self.book.edit(number)
        return Standing(
            edit=None if row is None else EditState(row[0]),
            kind=None if row is None or row[3] is None else Kind(row[3]),
            placement=self.placement(number, path),
        )

    def placement(self, number: int, path: str) -> PlacementState | None:
        row = self.book.placement(number, path)
        return PlacementState(row[0]) if row else None

    @rule(days=st.integers(1, 9))
    def sleep(self, days: int) -> None:
        self.book.now += days * DAY

    @rule(
        number=st.sampled_from(EDITS),
        path=st.sampled_from(PATHS),
        what=st.sampled_from(["save", "lose", "want"]),
    )
    def place(self, number: int, path: str, what: str) -> None:
        model = self.models[number]
        state = model.placements.get(path)
        if model.state is not E:
            return
        if what == "want":
            with self.db:
                placements.want_again(self.db, key_of(number), path)
            model.placements[path] = "waiting"
        elif state == "waiting" and what == "lose":
            self.book.lose(number, path)
            model.placements[path] = "lost"
        elif state == "waiting" and what == "save":
            self.book.prepare(number, path, digest=b"%032d" % number)
            self.book.save(number, path)
            for other in self.models.values():
                # Whatever of ours was in place there is overwritten, and forgotten.
                if other is not model and other.placements.get(path) == "saved":
                    del other.placements[path]
            model.placements[path] = "saved"

    # ------------------------------------------------------------------ what always holds

    def sum(self, state: str, *, run: int | None = None) -> int:
        return sum(
            one.price
            for model in self.models.values()
            for one in model.tries.values()
            if one.state == state and run in {None, one.run}
        )

    def counted(self, *, weekly: bool) -> int:
        """What counts against a cap: the run's attempts, or those sent since Monday."""
        today = self.book.now // DAY
        monday = today - (today + 3) % 7  # 1970-01-01 was a Thursday
        return sum(
            one.price
            for model in self.models.values()
            for one in model.open
            if (monday <= one.day < monday + 7 if weekly else one.run == self.book.run)
        )

    @invariant()
    def states_are_those_of_the_model(self) -> None:
        for number, model in self.models.items():
            assert self.book.state(number) is model.state
            assert (model.state is S) == (model.flying is not None)
            assert self.book.attempts(number) == {
                attempt: one.state for attempt, one in model.tries.items()
            }
            noted = dict(
                self.db.execute(
                    "SELECT p.path, p.state FROM placements p JOIN edits e ON e.id = p.edit"
                    " WHERE e.key = ?",
                    (key_of(number),),
                ),
            )
            assert noted == model.placements

    @invariant()
    def a_plan_does_what_the_model_does(self) -> None:
        for (number, model), path in product(self.models.items(), PATHS):
            standing = self.standing(number, path)
            for asked in ASKED:
                assert fate_of(standing, Claim.FREE, asked) is model.fate(path, asked), asked

    @invariant()
    def money_adds_up(self) -> None:
        self.book.check()
        assert list(auditing.miscounts(self.db)) == []
        run = self.book.run
        assert self.book.money() == tuple(
            self.sum(state, run=run) for state in ("reserved", "paid", "uncertain")
        )
        assert census.ledger_total(self.db) == self.sum("paid")

    @invariant()
    def exposure_and_maybe_twice_are_as_defined(self) -> None:
        with self.db:
            self.db.execute("CREATE TEMP TABLE rows (key BLOB)")
            self.db.executemany(
                "INSERT INTO temp.rows VALUES (?)",
                [(key_of(number),) for number in EDITS] * 2,
            )
            cost = census.count_cost(self.db, self.book.run)
            self.db.execute("DROP TABLE temp.rows")
        assert cost.spent == self.sum("paid", run=self.book.run)
        assert cost.exposure == self.sum("uncertain") + self.sum("reserved")
        assert cost.maybe_twice == sum(
            sum(one.price for one in model.open) - min(one.price for one in model.open)
            for model in self.models.values()
            if model.open
        )

    @invariant()
    def nothing_that_was_paid_is_called_unpaid(self) -> None:
        for model in self.models.values():
            if any(one.state == "paid" for one in model.tries.values()):
                assert model.state in {E, U, S}


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
