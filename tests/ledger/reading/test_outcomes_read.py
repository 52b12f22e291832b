"""What became of every item, as an export reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from qwenbatch.core.items import Fault, InlineSource, UrlSource
from qwenbatch.core.outcomes import ItemState, Outcome
from qwenbatch.core.placements import FileStamp, Placement
from qwenbatch.core.states import EditEvent, EditState
from qwenbatch.core.verdicts import Kind
from qwenbatch.ledger.outcomes import PAGE, extra_names, has_inline, read_items, read_outcomes

if TYPE_CHECKING:
    from tests.ledger.reading.conftest import Book


def outcomes(book: Book, state: ItemState | None = None) -> list[Outcome]:
    return book.look(lambda db: list(read_outcomes(db, out=book.out, state=state)))


def test_outcome_of_a_saved_item_tells_result_size_cost_and_request(book: Book) -> None:
    book.begin()
    row = book.row(1, id="x1", negative_prompt="blur", watermark=True, extra=b'{"sku":"7"}')
    book.record([row])
    book.send(row, EditEvent.RETRIABLE, Kind.SERVER_ERROR, "busy")
    book.send(row, EditEvent.ANSWERED)
    paid_at = f"request-{book.now}"
    book.place(row)

    (one,) = outcomes(book)

    assert one == Outcome(
        number=1,
        line=2,
        image="/p/1.jpg",
        instruction="make it red",
        state=ItemState.SAVED,
        negative_prompt="blur",
        watermark=True,
        id="x1",
        key=one.key,
        result=str(book.out / "1.png"),
        width=1248,
        height=832,
        cost=0.055,
        request_id=paid_at,
        attempts=2,
        finished_at="2026-01-02T03:04:07Z",
        extra=b'{"sku":"7"}',
    )
    assert len(one.key or "") == 64


def test_outcome_of_a_result_that_is_no_png_names_the_file_that_is_there(book: Book) -> None:
    book.begin()
    row = book.row(1)
    book.record([row])
    book.send(row, EditEvent.ANSWERED)
    book.place(row, suffix=".webp")

    assert outcomes(book)[0].result == str(book.out / "1.png.webp")


def test_outcome_of_a_replaced_result_names_no_file(book: Book) -> None:
    book.begin()
    old, new = book.row(1), book.row(1, instruction="make it blue")
    book.record([old])
    book.send(old, EditEvent.ANSWERED)
    book.place(old)
    book.record([new], "/new.csv")
    book.send(new, EditEvent.ANSWERED)
    book.place(new, displaces=old)

    was, is_now = outcomes(book)

    assert (was.instruction, was.result) == ("make it red", None)
    assert (is_now.instruction, is_now.result) == ("make it blue", str(book.out / "1.png"))


def test_outcomes_tell_each_state_with_its_kind_and_the_gateways_words(book: Book) -> None:
    book.begin()
    rows = [book.row(number) for number in range(1, 8)]
    bad = book.bad_row(8, Fault("the instruction is empty", "instruction"))
    book.record([*rows, bad])
    saved, failed, uncertain, lost, waiting, halted, _ = rows
    book.send(saved, EditEvent.ANSWERED)
    book.place(saved)
    book.send(failed, EditEvent.REFUSED, Kind.MODERATED, "inspected")
    book.send(uncertain, EditEvent.DOUBTED, Kind.GAVE_UP, "504")
    book.send(lost, EditEvent.ANSWERED)
    book.lose(lost)
    book.send(waiting, EditEvent.ANSWERED)
    book.send(halted, EditEvent.RETRIABLE, Kind.DENIED, "no key")

    told = [(one.state, one.kind, one.reason) for one in outcomes(book)]

    assert told == [
        (ItemState.SAVED, None, ""),
        (ItemState.FAILED, Kind.MODERATED, "inspected"),
        (ItemState.UNCERTAIN, Kind.GAVE_UP, "504"),
        (ItemState.LOST, Kind.UNFETCHED, ""),
        (ItemState.PENDING, Kind.UNFETCHED, ""),
        (ItemState.PENDING, Kind.DENIED, "no key"),
        (ItemState.PENDING, None, ""),
        (ItemState.INVALID, None, "instruction: the instruction is empty"),
    ]


def test_outcome_of_an_edit_in_flight_has_an_attempt_without_an_end(book: Book) -> None:
    book.begin()
    row = book.row(1)
    book.record([row])
    book.permit(row)

    (one,) = outcomes(book)

    assert (one.state, one.kind, one.attempts) == (ItemState.UNCERTAIN, Kind.CUT_OFF, 1)
    assert (one.finished_at, one.cost) == (None, 0.0)


def test_outcome_of_an_edit_paid_twice_costs_twice(book: Book) -> None:
    book.begin()
    row = book.row(1)
    book.record([row])
    book.send(row, EditEvent.ANSWERED)
    book.lose(row)
    book.send(row, EditEvent.ANSWERED, expected=EditState.EDITED)

    assert outcomes(book)[0].cost == 0.11


@pytest.mark.parametrize("state", list(ItemState))
def test_outcomes_of_one_state_are_those_among_all(book: Book, state: ItemState) -> None:
    book.begin()
    rows = [book.row(number) for number in range(1, 5)]
    book.record([*rows, book.bad_row(5, Fault("bad"))])
    book.send(rows[0], EditEvent.ANSWERED)
    book.place(rows[0])
    book.send(rows[1], EditEvent.REFUSED, Kind.INVALID)
    book.send(rows[2], EditEvent.DOUBTED, Kind.CUT_OFF)

    every = outcomes(book)

    assert outcomes(book, state) == [one for one in every if one.state is state]


def test_outcomes_come_by_manifest_and_number_over_many_pages(book: Book) -> None:
    book.begin()
    many = PAGE * 2 + 1
    book.record([book.row(number) for number in range(1, many + 1)], "/a.csv")
    book.record([book.row(number, take=2) for number in (1, 2)], "/b.csv")

    told = [(one.take, one.number) for one in outcomes(book)]

    assert told == [*((1, number) for number in range(1, many + 1)), (2, 1), (2, 2)]


def test_outcomes_are_of_a_manifests_last_run_alone(book: Book) -> None:
    book.begin()
    book.record([book.row(1), book.row(2)])
    book.record([book.row(1, instruction="blur")])

    assert [one.instruction for one in outcomes(book)] == ["blur"]


def test_extra_names_come_in_the_order_of_the_items(book: Book) -> None:
    book.begin()
    book.record(
        [
            book.row(1),
            book.row(2, extra=msgspec.json.encode({"sku": "1", "shop": {"a": [1]}})),
            book.row(3, extra=msgspec.json.encode({"colour": None, "sku": "2"})),
        ],
    )

    assert book.look(extra_names) == ["sku", "shop", "colour"]


def test_items_tell_the_file_and_the_time_of_their_result(book: Book) -> None:
    book.begin()
    saved, failed = book.row(1), book.row(2)
    book.record([saved, failed], "/shop.csv")
    book.send(saved, EditEvent.ANSWERED)
    book.place(saved, suffix=".jpg")
    book.send(failed, EditEvent.REFUSED, Kind.MODERATED)

    one, two = book.look(lambda db: list(read_items(db, out=book.out, state=None)))

    stamp = FileStamp(5, 1, 1)
    assert one.placement == Placement(path="1.png", suffix=".jpg", digest=bytes(32), stamp=stamp)
    assert (one.seconds, two.seconds) == (1.0, 1.0)
    assert two.placement is None
    assert {one.manifest, two.manifest} == {"/shop.csv"}


def test_items_tell_where_a_picture_stands_that_its_manifest_holds(book: Book) -> None:
    book.begin()
    inline = InlineSource("/p/m#1.jsonl", 40, 800)
    url = UrlSource("https://h.example/a.jpg")
    book.record([book.row(1, source=inline), book.row(2, source=url), book.row(3)])

    items = book.look(lambda db: list(read_items(db, out=book.out, state=None)))

    assert [item.inline for item in items] == [inline, None, None]
    assert [item.path for item in items] == ["1.png", "2.png", "3.png"]
    assert [item.outcome.image for item in items] == [
        "/p/m#1.jsonl#40",
        "https://h.example/a.jpg",
        "/p/3.jpg",
    ]
    assert book.look(has_inline)
