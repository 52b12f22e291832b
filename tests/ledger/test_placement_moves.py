from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qwenbatch.core.placements import Displaced
from qwenbatch.core.states import EditEvent, EditState, IllegalMoveError
from qwenbatch.ledger import placements
from tests.ledger.conftest import PRICE, key_of

if TYPE_CHECKING:
    from tests.ledger.conftest import Book

REFUGE = ".qwenbatch/replaced/x.png"


def want(book: Book, number: int, path: str) -> None:
    with book.db:
        placements.want_again(book.db, key_of(number), path)


def test_placement_is_waiting_then_prepared_then_saved(book: Book) -> None:
    book.bring(1, EditState.EDITED)
    assert book.placement(1)[0] == "waiting"
    book.prepare(1, suffix=".jpg", digest=b"1" * 32)
    assert book.placement(1) == ("waiting", ".jpg", None, b"1" * 32, 7, None, None)
    book.save(1, inode=9)
    assert book.placement(1) == ("saved", ".jpg", None, b"1" * 32, 7, 1, 9)


def test_placement_that_was_lost_is_neither_saved_nor_lost_again(book: Book) -> None:
    book.bring(1, EditState.EDITED)
    book.lose(1)
    with pytest.raises(IllegalMoveError, match="lost cannot be placed"):
        book.save(1)
    with pytest.raises(IllegalMoveError, match="lost cannot be given_up"):
        book.lose(1)
    assert book.placement(1)[0] == "lost"


def test_placement_that_is_saved_is_not_lost(book: Book) -> None:
    book.bring(1, EditState.EDITED)
    book.prepare(1)
    book.save(1)
    with pytest.raises(IllegalMoveError, match="saved cannot be given_up"):
        book.lose(1)


def test_placement_of_nothing_known_is_a_defect(book: Book) -> None:
    with pytest.raises(IllegalMoveError, match="not known"):
        book.save(1)
    book.bring(1, EditState.EDITED)
    with pytest.raises(IllegalMoveError, match="no placement"):
        book.save(1, "else.png")
    with pytest.raises(IllegalMoveError, match="no placement"):
        book.lose(1, "else.png")


@pytest.mark.parametrize("state", ["waiting", "saved", "lost"])
def test_placement_may_always_be_wanted_again(book: Book, state: str) -> None:
    book.bring(1, EditState.EDITED)
    if state == "saved":
        book.prepare(1)
        book.save(1)
    if state == "lost":
        book.lose(1)
    want(book, 1, "1.png")
    want(book, 1, "new.png")
    assert book.placement(1)[0] == "waiting"
    assert book.placement(1, "new.png")[0] == "waiting"
    assert book.money() == (0, PRICE, 0)


def test_placement_a_permit_does_not_touch_what_is_noted(book: Book) -> None:
    book.bring(1, EditState.UNCERTAIN)
    with book.db:
        book.db.execute("UPDATE placements SET state = 'lost'")
    book.permit(1, 1, expected=EditState.UNCERTAIN)
    assert book.placement(1)[0] == "lost"


def test_placement_a_new_answer_makes_the_lost_wait_and_leaves_the_saved(book: Book) -> None:
    book.permit(1, 1, paths=("a.png", "b.png"))
    book.end(1, 1, EditEvent.ANSWERED)
    book.prepare(1, "a.png")
    book.save(1, "a.png")
    book.lose(1, "b.png")
    book.end(1, 1, EditEvent.ANSWERED)
    assert book.placement(1, "a.png")[0] == "saved"
    assert book.placement(1, "b.png")[0] == "waiting"


def test_placement_of_another_edit_makes_room(book: Book) -> None:
    for number in (1, 2):
        book.permit(number, number, paths=("p.png",))
        book.end(number, number, EditEvent.ANSWERED)
    book.prepare(1, "p.png", digest=b"1" * 32)
    book.save(1, "p.png")
    book.prepare(2, "p.png", digest=b"2" * 32, displaced=Displaced(key_of(1), REFUGE))
    book.save(2, "p.png")
    assert book.placement(1, "p.png")[:4] == ("saved", "", REFUGE, b"1" * 32)
    assert book.placement(2, "p.png")[:3] == ("saved", "", None)


def test_placement_whose_file_was_overwritten_is_forgotten(book: Book) -> None:
    for number in (1, 2):
        book.permit(number, number, paths=("p.png",))
        book.end(number, number, EditEvent.ANSWERED)
    book.prepare(1, "p.png")
    book.save(1, "p.png")
    book.prepare(2, "p.png", digest=b"2" * 32)
    assert book.placement(1, "p.png") is None


def test_placement_for_later_leaves_the_path_to_its_owner(book: Book) -> None:
    for number in (1, 2):
        book.permit(number, number, paths=("p.png",))
        book.end(number, number, EditEvent.ANSWERED)
    book.prepare(2, "p.png")
    book.save(2, "p.png")
    book.prepare(1, "p.png", replaced=REFUGE)
    book.save(1, "p.png")
    assert book.placement(2, "p.png")[:3] == ("saved", "", None)
    assert book.placement(1, "p.png")[:3] == ("saved", "", REFUGE)


def test_placement_wishes_of_unpaid_edits_are_made_anew_by_each_plan(book: Book) -> None:
    for number, state in enumerate(
        (EditState.FAILED, EditState.UNCERTAIN, EditState.EDITED),
        1,
    ):
        book.bring(number, state)
    book.permit(4, 4)
    book.end(4, 4, EditEvent.RETRIABLE)
    with book.db:
        placements.forget_unpaid(book.db)
    assert book.placement(1) is None
    assert book.placement(4) is None
    assert book.placement(2)[0] == book.placement(3)[0] == "waiting"
