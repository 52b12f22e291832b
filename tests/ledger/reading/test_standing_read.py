"""How the ledger stands, as status reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qwenbatch.core.items import Fault
from qwenbatch.core.states import EditEvent, EditState
from qwenbatch.core.stops import ExitStatus, StopReason
from qwenbatch.core.summary import ItemCounts
from qwenbatch.core.verdicts import Kind
from qwenbatch.ledger.outcomes import read_outcomes
from qwenbatch.ledger.standing import MOST_RUNS

if TYPE_CHECKING:
    from tests.ledger.reading.conftest import Book

ENDS = st.lists(
    st.sampled_from(
        [
            ("saved", EditEvent.ANSWERED, None),
            ("waiting", EditEvent.ANSWERED, None),
            ("lost", EditEvent.ANSWERED, None),
            ("", EditEvent.REFUSED, Kind.MODERATED),
            ("", EditEvent.REFUSED, Kind.INVALID),
            ("", EditEvent.DOUBTED, Kind.CUT_OFF),
            ("", EditEvent.RETRIABLE, Kind.THROTTLED),
            None,
        ],
    ),
    max_size=8,
)


def test_standing_of_a_new_ledger_is_all_nothing(book: Book) -> None:
    standing = book.standing()

    assert standing.items == ItemCounts()
    assert (standing.spent, standing.exposure, standing.maybe_twice, standing.runs) == (0, 0, 0, ())
    assert (standing.service, len(standing.id)) == ("pixazo", 36)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    max_examples=25,
    deadline=None,  # each example commits to a real file
)
@given(ends=ENDS)
def test_standing_counts_what_the_outcomes_tell_one_by_one(
    book: Book,
    ends: list[tuple[str, EditEvent, Kind | None] | None],
) -> None:
    book.begin()
    rows = [book.row(number, take=book.run * 100) for number in range(1, len(ends) + 1)]
    bad = book.bad_row(len(ends) + 1, Fault("bad"))
    book.record([*rows, bad])
    for row, end in zip(rows, ends, strict=True):
        if end is None:
            continue
        what, event, kind = end
        book.send(row, event, kind)
        if what == "saved":
            book.place(row)
        elif what == "lost":
            book.lose(row)

    standing = book.standing()

    told = book.look(lambda db: list(read_outcomes(db, out=book.out, state=None)))
    for state in ("saved", "failed", "invalid", "uncertain", "lost", "pending"):
        assert getattr(standing.items, state) == sum(one.state == state for one in told)
    assert standing.items.total == len(told)
    assert standing.failures == {
        kind: sum(one.kind == kind for one in told) for kind in {one.kind for one in told} - {None}
    }


def test_standing_tells_what_is_spent_in_flight_and_in_doubt(book: Book) -> None:
    book.begin()
    paid, doubted, flying = (book.row(number) for number in (1, 2, 3))
    book.record([paid, doubted, flying])
    book.send(paid, EditEvent.ANSWERED)
    book.send(doubted, EditEvent.DOUBTED, Kind.GAVE_UP)
    book.permit(flying)

    standing = book.standing()

    assert (standing.spent, standing.uncertain, standing.reserved) == (55_000, 55_000, 55_000)
    assert standing.exposure == 110_000
    assert standing.to_place == 1
    assert standing.edits == {
        EditState.EDITED: 1,
        EditState.UNCERTAIN: 1,
        EditState.SENDING: 1,
    } | {state: 0 for state in standing.edits if state not in {"edited", "uncertain", "sending"}}


def test_standing_counts_as_maybe_twice_what_a_resend_may_have_paid_again(book: Book) -> None:
    book.begin()
    row = book.row(1)
    book.record([row])
    book.send(row, EditEvent.DOUBTED, Kind.GAVE_UP)
    book.send(row, EditEvent.DOUBTED, Kind.CUT_OFF, expected=EditState.UNCERTAIN)
    book.send(row, EditEvent.ANSWERED, expected=EditState.UNCERTAIN)

    standing = book.standing()

    assert (standing.spent, standing.uncertain, standing.maybe_twice) == (55_000, 110_000, 110_000)


def test_standing_does_not_wait_for_results_that_are_not_paid(book: Book) -> None:
    book.begin()
    row = book.row(1)
    book.record([row])
    book.send(row, EditEvent.RETRIABLE, Kind.SERVER_ERROR)

    assert book.standing().to_place == 0


def test_standing_tells_the_last_runs_the_latest_first(book: Book) -> None:
    for number in range(MOST_RUNS + 2):
        book.begin(name=f"r{number}")
        if number == MOST_RUNS:
            row = book.row(1)
            book.record([row])
            book.send(row, EditEvent.ANSWERED)
        book.now += 2000
        if number <= MOST_RUNS:
            stop = StopReason.INTERRUPTED if number % 2 else None
            book.end_run(ItemCounts(total=3, saved=2, pending=1), stop)

    standing = book.standing()

    assert [run.name for run in standing.runs] == [f"r{n}" for n in range(MOST_RUNS + 1, 1, -1)]
    flying, even, odd = standing.runs[:3]
    assert standing.runs[0].ended_at is None
    assert (flying.ended_at, flying.saved, flying.exit_status) == (None, None, None)
    assert (even.saved, even.total, even.spent, even.attempts) == (2, 3, 55_000, 1)
    assert (even.stopped_by, even.exit_status) == (None, ExitStatus.UNFINISHED)
    assert (odd.stopped_by, odd.exit_status) == (StopReason.INTERRUPTED, ExitStatus.INTERRUPTED)
    assert (odd.ended_at or 0) - odd.started_at == 2
