"""What a run could only spool is taken in by the next, by a ledger that knows nothing of it too."""

from __future__ import annotations

import pytest

from qwenbatch.core.money import DEFAULT_PRICE, MicroUSD
from qwenbatch.core.states import EditEvent, EditState
from qwenbatch.ledger import intake, runs
from qwenbatch.ledger.spool import SpooledEnd, SpooledRelease
from tests.ledger.conftest import NOW, Book, attempt_of, ended, key_of, state_item


def begin(book: Book, *spooled: SpooledEnd | SpooledRelease) -> None:
    """The next run begins."""
    with book.db:
        runs.begin(book.db, name=f"r{book.now}", manifest="/m", spooled=spooled, now=book.now)
    book.check()


def spooled(number: int, attempt: int, event: EditEvent, price: int | None = None) -> SpooledEnd:
    return SpooledEnd(
        ended(number, attempt, event),
        NOW,
        None if price is None else MicroUSD(price),
    )


def test_an_answer_that_comes_while_its_edit_is_sent_again_is_placed(book: Book) -> None:
    book.bring(1, EditState.UNCERTAIN)
    book.permit(1, 2, expected=EditState.UNCERTAIN)

    begin(book, spooled(1, 901, EditEvent.ANSWERED))  # and the second was cut off by a death

    assert book.edit(1) == ("edited", None, None, None)
    assert book.attempts(1) == {901: "paid", 2: "uncertain"}
    assert book.placement(1)[0] == "waiting"


def test_a_lost_edit_sent_again_in_vain_is_uncertain_until_its_answer_comes(book: Book) -> None:
    book.bring(1, EditState.EDITED)
    book.lose(1)
    book.permit(1, 2, expected=EditState.EDITED)

    begin(book)
    assert (book.state(1), book.placement(1)[0]) == (EditState.UNCERTAIN, "lost")

    book.now += 1
    begin(book, spooled(1, 2, EditEvent.ANSWERED))
    assert (book.state(1), book.placement(1)[0]) == (EditState.EDITED, "waiting")
    assert book.attempts(1) == {901: "paid", 2: "paid"}


@pytest.mark.parametrize("price", [None, 7])
def test_an_answer_that_the_ledger_knows_nothing_of_is_kept(book: Book, price: int | None) -> None:
    with book.db:
        book.db.execute("INSERT INTO manifests VALUES (1, '/m')")
        for number in (1, 2):
            state_item(book.db, number, key_of(1), f"{number}.png")

    begin(book, spooled(1, 5, EditEvent.ANSWERED, price))

    assert book.state(1) is EditState.EDITED
    assert book.attempts(1) == {5: "paid"}
    assert [book.placement(1, path)[0] for path in ("1.png", "2.png")] == ["waiting"] * 2
    paid = book.db.execute("SELECT paid FROM spending WHERE scope = 'day'").get
    assert paid == (DEFAULT_PRICE if price is None else price)
    assert book.db.execute("SELECT url FROM attempts_whole").get == "https://r2.test/5.png"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (EditState.PENDING, EditState.UNCERTAIN),
        (EditState.FAILED, EditState.UNCERTAIN),
        (EditState.UNCERTAIN, EditState.UNCERTAIN),
        (EditState.EDITED, EditState.EDITED),
    ],
)
def test_a_doubt_that_the_ledger_knows_nothing_of_is_kept(
    book: Book,
    before: EditState,
    after: EditState,
) -> None:
    book.bring(1, before)

    begin(book, spooled(1, 5, EditEvent.DOUBTED))

    assert book.state(1) is after
    assert book.attempts(1)[5] == "uncertain"


@pytest.mark.parametrize("event", [EditEvent.RETRIABLE, EditEvent.REFUSED])
def test_what_was_not_paid_is_nothing_to_a_ledger_that_does_not_know_it(
    book: Book,
    event: EditEvent,
) -> None:
    begin(book, spooled(1, 5, event), SpooledRelease(key_of(1), attempt_of(6)))

    assert book.state(1) is None
    assert book.attempts(1) == {}


def test_a_record_taken_in_twice_counts_once(book: Book) -> None:
    for _ in range(2):
        with book.db:
            intake.take_in(book.db, spooled(1, 5, EditEvent.ANSWERED))

    assert book.attempts(1) == {5: "paid"}
    book.check()
