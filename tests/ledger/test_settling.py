from __future__ import annotations

from contextlib import closing
from datetime import date
from hashlib import sha256
from itertools import count
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from qwenbatch.core.attempts import AttemptEnd, AttemptId, Permit, PermitRequest
from qwenbatch.core.budget import Caps
from qwenbatch.core.keys import EditKey
from qwenbatch.core.money import MicroUSD
from qwenbatch.core.settling import Chosen, Ruling
from qwenbatch.core.states import EditEvent, EditState
from qwenbatch.core.verdicts import Kind
from qwenbatch.errors import UsageError
from qwenbatch.ledger import auditing, database, edits, placements
from qwenbatch.ledger.settling import settle
from qwenbatch.ledger.spool import SpooledEnd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import apsw

    from qwenbatch.core.settling import Settlement

PRICE = MicroUSD(55_000)
DAY = date(2026, 11, 21)
MORNING = (DAY.toordinal() - date(1970, 1, 1).toordinal()) * 86_400_000
ALL = Chosen()
_numbers = count(1)


def key_of(name: str) -> EditKey:
    return EditKey(sha256(name.encode()).digest())


@pytest.fixture
def db(tmp_path: Path) -> Iterator[apsw.Connection]:
    with closing(database.create_or_open(tmp_path / "ledger.db", service="sandbox")) as opened:
        yield opened


def send(db: apsw.Connection, name: str, expected: EditState, *, now: int = MORNING) -> AttemptId:
    attempt = AttemptId(UUID(int=next(_numbers)))
    request = PermitRequest(
        key=key_of(name),
        attempt=attempt,
        price=PRICE,
        expected=expected,
        paths=(f"{name}.png",),
    )
    assert edits.permit(db, request, run=1, caps=Caps(), now=now) == Permit(attempt)
    return attempt


def end(
    db: apsw.Connection,
    name: str,
    attempt: AttemptId,
    event: EditEvent,
    *,
    now: int = MORNING,
) -> None:
    answered = event is EditEvent.ANSWERED
    ended = AttemptEnd(
        key=key_of(name),
        attempt=attempt,
        event=event,
        kind=None if answered else Kind.CUT_OFF,
        url=f"https://results.example/{name}.png" if answered else None,
    )
    edits.end(db, ended, now=now)


def doubt(
    db: apsw.Connection,
    name: str,
    expected: EditState = EditState.PENDING,
    *,
    now: int = MORNING,
) -> None:
    end(db, name, send(db, name, expected, now=now), EditEvent.DOUBTED, now=now)


def state(db: apsw.Connection, name: str) -> tuple[str, list[str], list[str]]:
    """An edit's state, its attempts', its placements'."""
    edit, found = db.execute("SELECT id, state FROM edits WHERE key = ?", (key_of(name),)).get
    attempts = db.execute("SELECT state FROM attempts WHERE edit = ? ORDER BY sent_at, id", (edit,))
    placed = db.execute("SELECT state FROM placements WHERE edit = ? ORDER BY path", (edit,))
    return found, [row[0] for row in attempts], [row[0] for row in placed]


def settled(db: apsw.Connection, ruling: Ruling, chosen: Chosen = ALL) -> Settlement:
    with db:
        done = settle(db, ruling, chosen, spooled=(), now=MORNING + 5)
    assert list(auditing.miscounts(db)) == []
    return done


def spent(db: apsw.Connection) -> tuple[int, int]:
    return db.execute("SELECT sum(paid), sum(uncertain) FROM spending WHERE scope = 'day'").get  # type: ignore[no-any-return] # apsw's rows are of any type


def test_settling_as_paid_makes_the_result_lost_and_the_money_spent(db: apsw.Connection) -> None:
    doubt(db, "cat")
    done = settled(db, Ruling.PAID)
    assert state(db, "cat") == ("edited", ["paid"], ["lost"])
    assert spent(db) == (PRICE, 0)
    assert (done.attempts, done.amount, done.edited, done.lost) == (1, PRICE, 1, 1)
    assert (done.left, done.left_amount) == (0, 0)
    assert db.execute("SELECT settled_at FROM attempts").get == MORNING + 5
    assert db.execute("SELECT kind FROM edits").get is None


def test_settling_as_unpaid_makes_the_edit_pending_and_frees_the_money(db: apsw.Connection) -> None:
    doubt(db, "cat")
    done = settled(db, Ruling.UNPAID)
    assert state(db, "cat") == ("pending", ["unpaid"], ["waiting"])
    assert spent(db) == (0, 0)
    assert (done.pending, done.edited) == (1, 0)


def test_settling_as_unpaid_never_makes_an_edit_pending_that_is_paid_for(
    db: apsw.Connection,
) -> None:
    end(db, "cat", send(db, "cat", EditState.PENDING), EditEvent.ANSWERED)
    placements.lose(db, key_of("cat"), "cat.png")
    doubt(db, "cat", EditState.EDITED, now=MORNING + 1)
    assert state(db, "cat")[0] == "uncertain"
    done = settled(db, Ruling.UNPAID)
    assert state(db, "cat") == ("edited", ["paid", "unpaid"], ["lost"])
    assert (done.edited, done.pending) == (1, 0)


def test_settling_as_unpaid_after_another_attempt_was_settled_as_paid_pays_no_more(
    db: apsw.Connection,
) -> None:
    doubt(db, "cat")
    doubt(db, "cat", EditState.UNCERTAIN, now=MORNING + 86_400_000)
    first = settled(db, Ruling.PAID, Chosen(day=DAY))
    assert (first.attempts, first.left) == (1, 1)
    assert state(db, "cat") == ("edited", ["paid", "uncertain"], ["lost"])
    second = settled(db, Ruling.UNPAID)
    assert state(db, "cat") == ("edited", ["paid", "unpaid"], ["lost"])
    assert (second.kept, second.pending, second.lost) == (1, 0, 0)


def test_settling_one_day_leaves_an_edit_uncertain_while_another_day_is(
    db: apsw.Connection,
) -> None:
    doubt(db, "cat")
    doubt(db, "cat", EditState.UNCERTAIN, now=MORNING + 86_400_000)
    done = settled(db, Ruling.UNPAID, Chosen(day=DAY))
    assert state(db, "cat") == ("uncertain", ["unpaid", "uncertain"], ["waiting"])
    assert (done.still_uncertain, done.pending, done.left) == (1, 0, 1)
    settled(db, Ruling.UNPAID)
    assert state(db, "cat")[0] == "pending"


@pytest.mark.parametrize("now", [MORNING - 1, MORNING + 86_400_000])
def test_settling_a_day_takes_nothing_of_its_neighbours(db: apsw.Connection, now: int) -> None:
    doubt(db, "cat", now=now)
    assert settled(db, Ruling.PAID, Chosen(day=DAY)).attempts == 0
    assert state(db, "cat")[0] == "uncertain"


def test_settling_leaves_the_result_of_an_edited_edit_alone(db: apsw.Connection) -> None:
    doubt(db, "cat")
    end(db, "cat", send(db, "cat", EditState.UNCERTAIN, now=MORNING + 1), EditEvent.ANSWERED)
    done = settled(db, Ruling.PAID)
    assert state(db, "cat") == ("edited", ["paid", "paid"], ["waiting"])
    assert (done.kept, done.edited, done.lost) == (1, 0, 0)


def test_settling_as_paid_leaves_waiting_what_an_earlier_answer_may_yet_give(
    db: apsw.Connection,
) -> None:
    """Sent again because its result was lost, for one path more, and in doubt since."""
    end(db, "cat", send(db, "cat", EditState.PENDING), EditEvent.ANSWERED)
    db.execute("UPDATE placements SET state = 'lost'")
    attempt = send(db, "cat", EditState.EDITED, now=MORNING + 1)
    edit = db.execute("SELECT id FROM edits").get
    db.execute("INSERT INTO placements (edit, path, state) VALUES (?, 'new', 'waiting')", (edit,))
    end(db, "cat", attempt, EditEvent.DOUBTED)
    done = settled(db, Ruling.PAID)
    assert (done.edited, done.lost) == (1, 1)
    assert state(db, "cat")[::2] == ("edited", ["lost", "waiting"])


def test_settling_by_key_takes_one_edit_and_refuses_what_is_unknown(db: apsw.Connection) -> None:
    doubt(db, "cat")
    doubt(db, "dog")
    assert settled(db, Ruling.PAID, Chosen(edit=key_of("cat").hex()[:9])).attempts == 1
    assert state(db, "dog")[0] == "uncertain"
    with pytest.raises(UsageError, match="no edit's key begins with"):
        settle(db, Ruling.PAID, Chosen(edit=key_of("cow").hex()), spooled=(), now=MORNING)


def test_settling_refuses_a_prefix_that_two_keys_share(db: apsw.Connection) -> None:
    for tail in (b"\0", b"\1"):
        db.execute("INSERT INTO edits (key, state) VALUES (?, 'uncertain')", (b"\xab" * 31 + tail,))
    with pytest.raises(UsageError, match="more than one"):
        settle(db, Ruling.PAID, Chosen(edit="abababab"), spooled=(), now=MORNING)


def test_settling_takes_in_the_spool_before_it_doubts_what_was_in_flight(
    db: apsw.Connection,
) -> None:
    attempt = send(db, "cat", EditState.PENDING)
    send(db, "dog", EditState.PENDING)
    answer = AttemptEnd(key=key_of("cat"), attempt=attempt, event=EditEvent.ANSWERED, url="u:x")
    with db:
        spooled = (SpooledEnd(answer, MORNING),)
        done = settle(db, Ruling.UNPAID, ALL, spooled=spooled, now=MORNING)
    assert (done.recovered, done.attempts) == (1, 1)
    assert state(db, "cat") == ("edited", ["paid"], ["waiting"])
    assert state(db, "dog") == ("pending", ["unpaid"], ["waiting"])


def test_settling_finds_nothing_to_do_twice(db: apsw.Connection) -> None:
    doubt(db, "cat")
    first = settled(db, Ruling.PAID)
    again = settled(db, Ruling.UNPAID)
    assert again == replace(first, attempts=0, amount=MicroUSD(0), edited=0, lost=0)
    assert state(db, "cat") == ("edited", ["paid"], ["lost"])


def test_settling_goes_through_more_edits_than_one_page(
    db: apsw.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("qwenbatch.ledger.settling.PAGE", 2)
    for number in range(5):
        doubt(db, f"cat{number}")
    assert settled(db, Ruling.UNPAID).pending == 5


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["cat", "dog"]),
        st.sampled_from(
            ["answer", "doubt", "lose", "paid", "unpaid", "paid today", "unpaid today"]
        ),
    ),
    max_size=12,
)


@given(steps=STEPS)
@settings(deadline=None)
def test_settling_in_any_order_keeps_money_and_never_reopens_what_is_paid(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[str, str]],
) -> None:
    path = tmp_path_factory.mktemp("settling") / "ledger.db"
    with closing(database.create_or_open(path, service="sandbox")) as db:
        for moment, (name, step) in enumerate(steps):
            now = MORNING + moment * 43_200_000
            day = date.fromordinal(DAY.toordinal() + moment // 2)
            match step:
                case "answer" | "doubt":
                    _try_to_send(db, name, now, answered=step == "answer")
                case "lose":
                    db.execute("UPDATE placements SET state = 'lost' WHERE state = 'waiting'")
                case _:
                    ruling, _, today = step.partition(" ")
                    settled(db, Ruling(ruling), Chosen(day=day if today else None))
            _check_invariants(db)


def _try_to_send(db: apsw.Connection, name: str, now: int, *, answered: bool) -> None:
    attempt = AttemptId(UUID(int=next(_numbers)))
    row = db.execute("SELECT state FROM edits WHERE key = ?", (key_of(name),)).fetchone()
    request = PermitRequest(
        key=key_of(name),
        attempt=attempt,
        price=PRICE,
        expected=EditState(row[0]) if row else EditState.PENDING,
        paths=(f"{name}.png",),
    )
    if isinstance(edits.permit(db, request, run=1, caps=Caps(), now=now), Permit):
        event = EditEvent.ANSWERED if answered else EditEvent.DOUBTED
        end(db, name, attempt, event, now=now)


def _check_invariants(db: apsw.Connection) -> None:
    for edit, found in db.execute("SELECT id, state FROM edits"):
        states = {
            row[0] for row in db.execute("SELECT state FROM attempts WHERE edit = ?", (edit,))
        }
        if "uncertain" not in states:
            assert found == ("edited" if "paid" in states else "pending")
        else:
            assert found in {"edited", "uncertain"}
