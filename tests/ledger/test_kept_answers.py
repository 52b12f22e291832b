"""What the ledger makes of pictures that lie beside it, whole, from answers of an earlier run."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from qwenbatch.core.attempts import AttemptEnd, AttemptId, Permit, PermitRequest
from qwenbatch.core.budget import Caps
from qwenbatch.core.keys import EditKey
from qwenbatch.core.money import MicroUSD
from qwenbatch.core.states import EditEvent, EditState
from qwenbatch.core.verdicts import Kind
from qwenbatch.ledger import database, edits, placements, runs
from qwenbatch.ledger.kept_pictures import placed, with_unheard
from qwenbatch.ledger.spool import SpooledEnd

if TYPE_CHECKING:
    from collections.abc import Iterator

    import apsw

    from qwenbatch.ledger.spool import Spooled

KEY = EditKey(b"k" * 32)
PRICE = MicroUSD(7)
ATTEMPT = AttemptId(uuid4())


@pytest.fixture
def db() -> Iterator[apsw.Connection]:
    with closing(database.blank()) as db:
        yield db


def send(db: apsw.Connection) -> None:
    request = PermitRequest(
        key=KEY, attempt=ATTEMPT, price=PRICE, expected=EditState.PENDING, paths=("a.png",)
    )
    assert isinstance(edits.permit(db, request, run=1, caps=Caps(), now=1), Permit)


def begin(db: apsw.Connection, *spooled: Spooled) -> None:
    """A run begins beside the picture of the attempt, and what the last one spooled."""
    records = with_unheard(
        db,
        spooled,
        [(KEY, ATTEMPT)],
        url_of=lambda one: f"answer:{one.hex}",
        price=PRICE,
        now=9,
    )
    runs.begin(db, name="r", manifest="m", spooled=records, now=10)


def standing(db: apsw.Connection) -> tuple[str, str, str | None, int]:
    found = db.execute(
        "SELECT e.state, a.state, a.url, a.price FROM edits e JOIN attempts a ON a.edit = e.id"
    ).fetchall()
    assert len(found) == 1
    return found[0]  # type: ignore[return-value] # four columns


HEARD = ("edited", "paid", f"answer:{ATTEMPT.hex}", PRICE)


def test_answer_of_an_attempt_that_a_death_left_in_flight_is_taken_in(db: apsw.Connection) -> None:
    send(db)
    begin(db)
    assert standing(db) == HEARD
    assert placed(db, [(KEY, ATTEMPT)]) == []


@pytest.mark.parametrize("event", [EditEvent.DOUBTED, EditEvent.RETRIABLE])
def test_answer_heals_an_attempt_that_was_given_up(db: apsw.Connection, event: EditEvent) -> None:
    send(db)
    edits.end(db, AttemptEnd(key=KEY, attempt=ATTEMPT, event=event, kind=Kind.CUT_OFF), now=2)
    begin(db)
    assert standing(db) == HEARD


def test_answer_that_a_rebuilt_ledger_does_not_know_is_kept_at_its_price(
    db: apsw.Connection,
) -> None:
    begin(db)
    assert standing(db) == HEARD
    assert placed(db, [(KEY, ATTEMPT)]) == [], "nobody has said yet where it goes"


def test_answer_that_is_recorded_stays_as_it_is(db: apsw.Connection) -> None:
    send(db)
    ended = AttemptEnd(
        key=KEY, attempt=ATTEMPT, event=EditEvent.ANSWERED, url="answer:1", request_id="r", width=4
    )
    edits.end(db, ended, now=2)
    begin(db)
    found = db.execute("SELECT url, request_id, width FROM attempts").fetchall()
    assert found == [("answer:1", "r", 4)]


def test_answer_that_the_spool_tells_of_too_keeps_what_is_told_there(db: apsw.Connection) -> None:
    send(db)
    url = f"answer:{ATTEMPT.hex}"
    ended = AttemptEnd(
        key=KEY, attempt=ATTEMPT, event=EditEvent.ANSWERED, url=url, request_id="r", width=4
    )
    begin(db, SpooledEnd(ended, 2, PRICE))
    found = db.execute("SELECT url, request_id, width, ended_at FROM attempts").fetchall()
    assert found == [(url, "r", 4, 2)]


def test_picture_may_go_only_once_nothing_waits_for_it(db: apsw.Connection) -> None:
    send(db)
    begin(db)
    assert placed(db, [(KEY, ATTEMPT)]) == []
    placements.lose(db, KEY, "a.png")
    assert placed(db, [(KEY, ATTEMPT)]) == [(KEY, ATTEMPT)]
    assert placed(db, [(KEY, AttemptId(uuid4()))]) == [], "of that one the ledger knows nothing"
