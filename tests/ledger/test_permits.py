from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import anyio
import pytest

from qwenbatch.core.attempts import CapRefusal, Permit, PermitRequest, StateRefusal
from qwenbatch.core.budget import Budget, Cap, Caps, Period
from qwenbatch.core.money import MicroUSD
from qwenbatch.core.states import EditEvent, EditState, IllegalMoveError
from qwenbatch.core.verdicts import Kind
from qwenbatch.ledger import database, edits, placements, runs
from qwenbatch.ledger.ledger import Ledger
from qwenbatch.ledger.spool import Spool
from qwenbatch.ledger.writer import Writer
from tests.ledger.conftest import DAY, NOW, PRICE, attempt_of, key_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ledger.conftest import Book

P, S, E, U, F = EditState


def test_permit_asked_again_is_the_same_permit(book: Book) -> None:
    assert book.permit(1, 1) == Permit(attempt_of(1))
    assert book.permit(1, 1) == Permit(attempt_of(1))
    assert book.money() == (PRICE, 0, 0)
    assert book.attempts(1) == {1: "reserved"}
    book.check()


def test_permit_for_another_attempt_is_refused_while_one_is_in_flight(book: Book) -> None:
    book.permit(1, 1)
    for expected in EditState:
        assert book.permit(1, 2, expected=expected) == StateRefusal(S)
    assert book.attempts(1) == {1: "reserved"}
    book.check()


@pytest.mark.parametrize("state", [E, U, F])
@pytest.mark.parametrize("expected", EditState)
def test_permit_is_given_only_for_the_state_that_was_planned(
    book: Book,
    state: EditState,
    expected: EditState,
) -> None:
    book.bring(1, state)
    answer = book.permit(1, 1, expected=expected)
    # A paid edit whose result is not lost is never sent, whatever was planned.
    allowed = state is expected and state is not E
    assert answer == (Permit(attempt_of(1)) if allowed else StateRefusal(state))
    assert book.state(1) is (S if allowed else state)
    book.check()


def test_permit_is_given_for_a_pending_edit_whatever_was_planned(book: Book) -> None:
    for number, expected in enumerate(EditState):
        assert book.permit(number, number, expected=expected) == Permit(attempt_of(number))


def test_permit_for_a_lost_result_needs_all_of_it_lost(book: Book) -> None:
    book.permit(1, 1, paths=("a.png", "b.png"))
    book.end(1, 1, EditEvent.ANSWERED)
    book.lose(1, "a.png")
    assert book.permit(1, 2, expected=E) == StateRefusal(E)
    book.lose(1, "b.png")
    assert book.permit(1, 2, expected=E) == Permit(attempt_of(2))
    assert book.edit(1)[1] == E


def test_permit_for_a_lost_result_is_refused_where_another_path_has_it(book: Book) -> None:
    book.permit(1, 1, paths=("a.png", "b.png"))
    book.end(1, 1, EditEvent.ANSWERED)
    book.prepare(1, "a.png")
    book.save(1, "a.png")
    book.lose(1, "b.png")
    assert book.permit(1, 2, expected=E) == StateRefusal(E)


def test_permit_for_a_paid_edit_without_any_path_is_refused(book: Book) -> None:
    """A late answer to an edit that was pending: its URL has not even been tried."""
    book.permit(1, 1)
    book.end(1, 1, EditEvent.RETRIABLE)
    with book.db:
        placements.forget_unpaid(book.db)
    book.end(1, 1, EditEvent.ANSWERED)
    assert book.permit(1, 2, expected=EditState.EDITED) == StateRefusal(EditState.EDITED)


def test_permit_notes_where_the_result_is_wanted(book: Book) -> None:
    book.permit(1, 1, paths=("a.png", "sub/b.png"))
    assert book.placement(1, "a.png")[0] == "waiting"
    assert book.placement(1, "sub/b.png")[0] == "waiting"
    assert book.placement(1, "c.png") is None


MONEY = {
    EditEvent.ANSWERED: (0, PRICE, 0),
    EditEvent.RETRIABLE: (0, 0, 0),
    EditEvent.REFUSED: (0, 0, 0),
    EditEvent.DOUBTED: (0, 0, PRICE),
}
FIRST = {
    EditEvent.ANSWERED: E,
    EditEvent.RETRIABLE: P,
    EditEvent.REFUSED: F,
    EditEvent.DOUBTED: U,
}


@pytest.mark.parametrize("event", MONEY)
def test_end_moves_the_edit_and_its_money(book: Book, event: EditEvent) -> None:
    book.permit(1, 1)
    book.check()
    book.end(1, 1, event)
    assert book.state(1) is FIRST[event]
    assert book.money() == MONEY[event]
    assert book.edit(1)[1:3] == (None, None)
    book.check()


@pytest.mark.parametrize("origin", [U, E])
@pytest.mark.parametrize(
    "event",
    [EditEvent.RETRIABLE, EditEvent.REFUSED, EditEvent.DOUBTED, EditEvent.ANSWERED],
)
def test_end_of_a_resend_leads_back_to_what_it_was(
    book: Book,
    origin: EditState,
    event: EditEvent,
) -> None:
    book.bring(1, origin)
    if origin is E:
        book.lose(1)
    kind = book.edit(1)[3]
    book.permit(1, 1, expected=origin)
    book.check()
    book.end(1, 1, event)
    wanted = {EditEvent.DOUBTED: U, EditEvent.ANSWERED: E}.get(event, origin)
    assert book.state(1) is wanted
    if wanted is origin and event is not EditEvent.DOUBTED:
        assert book.edit(1)[3] == kind or event is EditEvent.ANSWERED
    first_paid, first_uncertain = (PRICE, 0) if origin is E else (0, PRICE)
    _, paid, uncertain = MONEY[event]
    assert book.money() == (0, first_paid + paid, first_uncertain + uncertain)
    if event is EditEvent.ANSWERED:
        assert book.placement(1)[0] == "waiting"
    book.check()


@pytest.mark.parametrize("origin", [P, F, U, E])
def test_release_forgets_the_attempt_and_leads_back(book: Book, origin: EditState) -> None:
    book.bring(1, origin)
    if origin is E:
        book.lose(1)
    before, money = book.edit(1), book.money()
    book.permit(1, 1, expected=origin)
    book.release(1, 1)
    assert book.edit(1) == (before or (P, None, None, None))
    assert 1 not in book.attempts(1)
    assert book.money() == money
    book.release(1, 1)
    book.check()


def test_release_of_another_attempt_than_the_one_in_flight_does_nothing(book: Book) -> None:
    book.permit(1, 1)
    book.release(1, 2)
    book.release(2, 1)
    assert book.state(1) is S
    assert book.money() == (PRICE, 0, 0)


def test_release_remembers_why_only_where_it_is_a_first_sending(book: Book) -> None:
    book.permit(1, 1)
    book.release(1, 1, Kind.SOURCE_CHANGED)
    assert book.edit(1)[3] == Kind.SOURCE_CHANGED
    book.bring(2, U)
    book.permit(2, 2, expected=U)
    book.release(2, 2, Kind.SOURCE_CHANGED)
    assert book.edit(2)[3] == Kind.CUT_OFF


def test_retried_edits_keep_their_last_kind_until_they_are_edited(book: Book) -> None:
    book.permit(1, 1)
    book.end(1, 1, EditEvent.RETRIABLE, Kind.THROTTLED)
    assert book.edit(1)[3] == Kind.THROTTLED
    book.permit(1, 2)
    book.end(1, 2, EditEvent.RETRIABLE, Kind.SERVER_ERROR)
    assert book.edit(1)[3] == Kind.SERVER_ERROR
    book.permit(1, 3)
    book.end(1, 3, EditEvent.ANSWERED)
    assert book.edit(1)[3] is None
    assert book.attempts(1) == {1: "unpaid", 2: "unpaid", 3: "paid"}
    book.check()


def test_remember_kind_moves_nothing_and_leaves_resends_alone(book: Book) -> None:
    for number, state in enumerate([P, F, U, E]):
        book.bring(number, state)
        kind = book.edit(number)[3] if state is not P else None
        with book.db:
            edits.remember_kind(book.db, key_of(number), Kind.SOURCE_CHANGED)
        assert book.state(number) is state
        assert book.edit(number)[3] == (Kind.SOURCE_CHANGED if state in {P, F} else kind)
    book.check()


# ---------------------------------------------------------------------- late answers


@pytest.mark.parametrize("event", [EditEvent.DOUBTED, EditEvent.RETRIABLE, EditEvent.REFUSED])
def test_late_answer_pays_its_attempt_and_heals_the_edit(book: Book, event: EditEvent) -> None:
    book.permit(1, 1)
    book.end(1, 1, event)
    book.end(1, 1, EditEvent.ANSWERED)
    assert book.edit(1) == (E, None, None, None)
    assert book.attempts(1) == {1: "paid"}
    assert book.money() == (0, PRICE, 0)
    assert book.placement(1)[0] == "waiting"
    book.check()


def test_late_answer_twice_is_paid_once(book: Book) -> None:
    book.permit(1, 1)
    book.end(1, 1, EditEvent.ANSWERED)
    book.end(1, 1, EditEvent.ANSWERED)
    assert book.money() == (0, PRICE, 0)
    book.check()


def test_late_answer_while_a_resend_is_in_flight_leaves_the_flight(book: Book) -> None:
    book.bring(1, U)
    book.permit(1, 1, expected=U)
    book.end(1, 901, EditEvent.ANSWERED)
    assert book.state(1) is S
    assert book.attempts(1) == {901: "paid", 1: "reserved"}
    assert book.money() == (PRICE, PRICE, 0)
    book.check()


@pytest.mark.parametrize("event", [EditEvent.RETRIABLE, EditEvent.REFUSED, EditEvent.RELEASED])
def test_late_answer_during_a_resend_that_comes_to_nothing_leaves_a_paid_edit(
    book: Book,
    event: EditEvent,
) -> None:
    book.bring(1, U)
    book.permit(1, 1, expected=U)
    book.end(1, 901, EditEvent.ANSWERED)
    if event is EditEvent.RELEASED:
        book.release(1, 1)
    else:
        book.end(1, 1, event)
    assert book.state(1) is E
    assert book.money() == (0, PRICE, 0)
    assert book.placement(1)[0] == "waiting"


def test_late_answer_brings_back_what_was_lost(book: Book) -> None:
    book.bring(1, E)
    book.lose(1)
    book.permit(1, 1, expected=E)
    book.end(1, 1, EditEvent.DOUBTED)
    book.end(1, 1, EditEvent.ANSWERED)
    assert book.state(1) is E
    assert book.placement(1)[0] == "waiting"
    assert book.money() == (0, 2 * PRICE, 0)
    book.check()


def test_late_answer_to_nothing_known_is_a_defect(book: Book) -> None:
    with pytest.raises(IllegalMoveError, match="not known"):
        book.end(1, 1, EditEvent.ANSWERED)
    book.bring(2, U)
    with pytest.raises(IllegalMoveError, match="not known"):
        book.end(2, 5, EditEvent.ANSWERED)


@pytest.mark.parametrize("event", [EditEvent.RETRIABLE, EditEvent.REFUSED, EditEvent.DOUBTED])
def test_late_ends_that_are_no_answers_move_nothing(book: Book, event: EditEvent) -> None:
    book.bring(1, E)
    book.end(1, 901, event)
    assert book.state(1) is E
    assert book.attempts(1) == {901: "paid"}


# ---------------------------------------------------------------------- after a death


def test_recover_makes_uncertain_what_a_death_left_in_flight(book: Book) -> None:
    origins = {1: P, 2: F, 3: U, 4: E}
    for number, origin in origins.items():
        book.bring(number, origin)
        if origin is E:
            book.lose(number)
        book.permit(number, number, expected=origin)
    book.bring(5, F)
    book.check()
    assert book.recover() == 4
    for number in origins:
        assert book.edit(number) == (U, None, None, Kind.CUT_OFF)
        assert book.attempts(number)[number] == "uncertain"
    assert book.state(5) is F
    assert book.money() == (0, PRICE, 5 * PRICE)
    assert book.recover() == 0
    book.check()


def test_recover_is_a_runs_first_step(book: Book) -> None:
    book.permit(1, 1)
    with book.db:
        number = runs.begin(book.db, name="r2", manifest="/m.csv", spooled=(), now=NOW)
    assert number >= 1
    assert book.state(1) is U


# ---------------------------------------------------------------------- caps


def test_cap_refusal_says_what_is_in_flight_and_writes_nothing(book: Book) -> None:
    book.caps = Caps(max_cost=MicroUSD(2 * PRICE))
    assert isinstance(book.permit(1, 1), Permit)
    assert isinstance(book.permit(2, 2), Permit)
    assert book.permit(3, 3) == CapRefusal(Cap.MAX_COST, MicroUSD(2 * PRICE))
    book.end(1, 1, EditEvent.ANSWERED)
    assert book.permit(3, 3) == CapRefusal(Cap.MAX_COST, PRICE)
    book.end(2, 2, EditEvent.RETRIABLE)
    assert isinstance(book.permit(3, 3), Permit)
    book.end(3, 3, EditEvent.DOUBTED)
    assert book.permit(4, 4) == CapRefusal(Cap.MAX_COST, MicroUSD(0))
    assert book.attempts(4) == {}
    book.check()


def test_cap_of_a_run_does_not_count_other_runs(book: Book) -> None:
    book.caps = Caps(max_cost=PRICE)
    book.permit(1, 1)
    book.end(1, 1, EditEvent.ANSWERED)
    book.run = 2
    assert isinstance(book.permit(2, 2), Permit)


def test_cap_asks_a_permit_that_was_given_no_more(book: Book) -> None:
    book.caps = Caps(max_cost=PRICE)
    book.permit(1, 1)
    assert isinstance(book.permit(1, 1), Permit)


def millis(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("period", "sent", "now", "counts"),
    [
        (Period.DAY, "2026-05-01T23:59:59.999", "2026-05-02T00:00:00", False),
        (Period.DAY, "2026-05-02T00:00:00", "2026-05-02T23:59:59.999", True),
        (Period.WEEK, "2026-05-03T23:59:59", "2026-05-04T00:00:00", False),
        (Period.WEEK, "2026-05-04T00:00:00", "2026-05-10T23:59:59", True),
        (Period.MONTH, "2026-02-28T23:59:59", "2026-03-01T00:00:00", False),
        (Period.MONTH, "2026-03-01T00:00:00", "2026-03-31T23:59:59", True),
    ],
)
@pytest.mark.parametrize("event", [EditEvent.ANSWERED, EditEvent.DOUBTED, None])
def test_budget_counts_the_attempts_of_its_period(
    book: Book,
    period: Period,
    sent: str,
    now: str,
    event: EditEvent | None,
    *,
    counts: bool,
) -> None:
    book.now = millis(sent)
    book.permit(1, 1)
    book.now, book.run = millis(now), 2
    if event is not None:
        book.end(1, 1, event)
    book.caps = Caps(budget=Budget(PRICE, period))
    answer = book.permit(2, 2)
    assert isinstance(answer, CapRefusal if counts else Permit)
    book.check()


def test_budget_of_a_period_counts_nothing_that_was_sent_after_it(book: Book) -> None:
    """The clock was put back."""
    monday = NOW + (4 - NOW // DAY) % 7 * DAY  # 1970-01-05 was one
    book.caps = Caps(budget=Budget(PRICE, Period.WEEK))
    book.now = monday
    book.permit(1, 1)
    book.now = monday - DAY
    assert isinstance(book.permit(2, 2), Permit)
    book.now = monday
    assert isinstance(book.permit(3, 3), CapRefusal)


def test_budget_counts_a_resend_and_the_doubt_that_it_leaves(book: Book) -> None:
    book.bring(1, U)
    book.now += 1
    book.caps = Caps(budget=Budget(MicroUSD(2 * PRICE), Period.DAY))
    assert isinstance(book.permit(1, 1, expected=U), Permit)
    book.end(1, 1, EditEvent.ANSWERED)
    assert book.money() == (0, PRICE, PRICE)
    assert isinstance(book.permit(2, 2), CapRefusal)


def test_money_of_a_day_is_that_of_sending(book: Book) -> None:
    book.permit(1, 1)
    book.now += 3 * DAY
    book.end(1, 1, EditEvent.ANSWERED)
    rows = list(book.db.execute("SELECT id, paid FROM spending WHERE scope = 'day'"))
    assert rows == [(NOW // DAY, PRICE)]


async def _fifty(path: Path, caps: Caps) -> tuple[int, int]:
    writer = Writer(database.create_or_open(path, service="sandbox"))
    spool = Spool(path.with_name("spool"), records=1)
    ledger = Ledger(writer, run=1, caps=caps, spool=spool, wall=lambda: NOW / 1000)
    answers = []

    async def ask(number: int) -> None:
        request = PermitRequest(
            key=key_of(number),
            attempt=attempt_of(number),
            price=PRICE,
            expected=P,
            paths=(f"{number}.png",),
        )
        answers.append(await ledger.permit(request))

    async with anyio.create_task_group() as group:
        for number in range(50):
            group.start_soon(ask, number)
    reserved = writer.now(lambda db: edits.run_spending(db, 1).reserved)
    writer.close()
    spool.close()
    return sum(isinstance(answer, Permit) for answer in answers), reserved


@pytest.mark.anyio
@pytest.mark.parametrize(
    "caps",
    [
        Caps(max_cost=MicroUSD(17 * PRICE + 1)),
        Caps(budget=Budget(MicroUSD(18 * PRICE - 1), Period.DAY)),
    ],
)
async def test_caps_hold_against_fifty_that_ask_at_once(tmp_path: Path, caps: Caps) -> None:
    assert await _fifty(tmp_path / "ledger.db", caps) == (17, 17 * PRICE)


# ---------------------------------------------------------------------- raw answers


def test_raw_answers_are_kept_as_long_as_anything_depends_on_them(book: Book) -> None:
    def raw() -> dict[int, bytes | None]:
        return {
            int.from_bytes(name): kept
            for name, kept in book.db.execute("SELECT id, raw FROM attempts")
        }

    for number, event in enumerate(MONEY, 1):
        book.permit(number, number)
        book.end(number, number, event)
    book.bring(7, EditState.EDITED)
    book.lose(7)
    book.permit(7, 70, expected=EditState.EDITED)
    book.end(7, 70, EditEvent.DOUBTED)
    assert all(raw().values())
    with book.db:
        edits.forget_raw_answers(book.db, 1)
    by_event = {event: raw()[number] for number, event in enumerate(MONEY, 1)}
    assert by_event[EditEvent.REFUSED] is None
    assert by_event[EditEvent.RETRIABLE] is None
    assert raw()[70] is not None, "its money is in doubt, though nothing waits for it"
    assert raw()[907] is None
    assert by_event[EditEvent.ANSWERED] is not None, "its result is not in place yet"
    assert by_event[EditEvent.DOUBTED] is not None, "its money is in doubt"
    book.prepare(1)
    book.save(1)
    assert raw()[1] is None
    with book.db:
        placements.want_again(book.db, key_of(7), "7.png")
    book.prepare(7)
    book.save(7)
    assert raw()[70] is not None, "though its edit's result is in place"


def test_begin_forgets_where_results_of_edits_never_paid_were_wanted(book: Book) -> None:
    for number, event in enumerate(MONEY, 1):
        book.permit(number, number)
        book.end(number, number, event)
    with book.db:
        runs.begin(book.db, name="next", manifest="/m", spooled=(), now=NOW)
    kept = {event: book.placement(number) for number, event in enumerate(MONEY, 1)}
    assert {event for event, placement in kept.items() if placement is not None} == {
        EditEvent.ANSWERED,
        EditEvent.DOUBTED,
    }
