"""Ends the uncertainty of attempts by the invoice: one transaction's worth, under the tables."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from qwenbatch.core.money import MicroUSD
from qwenbatch.core.settling import Settlement, edit_event
from qwenbatch.core.states import (
    AttemptState,
    EditState,
    PlacementEvent,
    PlacementState,
    move_attempt,
    move_edit,
    move_placement,
)
from qwenbatch.errors import UsageError
from qwenbatch.ledger import edits, intake
from qwenbatch.ledger.database import all_rows

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    import apsw

    from qwenbatch.core.settling import Chosen, Ruling
    from qwenbatch.ledger.spool import Spooled

PAGE = 1000
"""Edits that are moved in one step."""

_KEY_DIGITS = 64
_EPOCH_ORDINAL = 719_163
"""The proleptic Gregorian ordinal of 1970-01-01."""

_FOREVER = 1 << 62


def settle(
    db: apsw.Connection,
    ruling: Ruling,
    chosen: Chosen,
    *,
    spooled: Iterable[Spooled],
    now: int,
) -> Settlement:
    """Settle the chosen uncertain attempts, and move their edits; what was done.

    It works on the writer's connection, inside a transaction; `now` is in milliseconds. First
    what the last run could only spool is taken in, then what a death left in flight becomes
    uncertain. UsageError if no edit, or more than one, has a key that begins as asked.
    """
    for record in spooled:
        intake.take_in(db, record)
    recovered = edits.recover(db, now=now)
    attempts, amount = _choose(db, chosen)
    db.execute(
        "UPDATE main.attempts SET state = ?, settled_at = ?"
        " WHERE (edit, id) IN (SELECT edit, id FROM temp.settled)",
        (move_attempt(AttemptState.UNCERTAIN, ruling.event), now),
    )
    moved: Counter[str] = Counter()
    last = 0
    while page := _page(db, last):
        for edit, state, paid, uncertain in page:
            moved.update(_move(db, edit, EditState(state), paid=paid, uncertain=uncertain))
            last = edit
    db.execute("DROP TABLE temp.settled")
    left, left_amount = db.execute(
        "SELECT count(*), ifnull(sum(price), 0) FROM main.attempts WHERE state = 'uncertain'",
    ).get
    return Settlement(
        recovered=recovered,
        attempts=attempts,
        amount=MicroUSD(amount),
        left=left,
        left_amount=MicroUSD(left_amount),
        **moved,
    )


def _choose(db: apsw.Connection, chosen: Chosen) -> tuple[int, int]:
    """Note the attempts to settle in a temporary table; how many, and their prices' sum."""
    low, high = (bytes(32), b"\xff" * 32)
    if chosen.edit is not None:
        low = high = _key(db, chosen.edit)
    begin, end = (0, _FOREVER) if chosen.day is None else _milliseconds(chosen.day)
    db.execute(
        "CREATE TEMP TABLE settled AS SELECT a.edit, a.id, a.price FROM main.attempts a"
        " JOIN main.edits e ON e.id = a.edit WHERE a.state = 'uncertain'"
        " AND e.key BETWEEN ? AND ? AND a.sent_at >= ? AND a.sent_at < ?",
        (low, high, begin, end),
    )
    attempts, amount = db.execute(
        "SELECT count(*), ifnull(sum(price), 0) FROM temp.settled",
    ).get
    return attempts, amount


def _key(db: apsw.Connection, digits: str) -> bytes:
    """The key that begins with these hexadecimal digits."""
    found = all_rows(
        db.execute(
            "SELECT key FROM main.edits WHERE key BETWEEN ? AND ? LIMIT 2",
            (
                bytes.fromhex(digits.ljust(_KEY_DIGITS, "0")),
                bytes.fromhex(digits.ljust(_KEY_DIGITS, "f")),
            ),
        ),
    )
    match found:
        case [(key,)]:
            return bytes(key)
        case []:
            raise UsageError(
                f"--edit: no edit's key begins with {digits}",
                "`qwenbatch audit` lists the keys of uncertain edits",
            )
        case _:
            raise UsageError(
                f"--edit: more than one edit's key begins with {digits}",
                "give more of its digits, or all 64",
            )


def _milliseconds(day: date) -> tuple[int, int]:
    number = day.toordinal() - _EPOCH_ORDINAL
    return number * edits.DAY_MILLISECONDS, (number + 1) * edits.DAY_MILLISECONDS


def _page(db: apsw.Connection, last: int) -> list[tuple[int, str, int, int]]:
    return all_rows(
        db.execute(
            "SELECT e.id, e.state, sum(a.state = 'paid'), sum(a.state = 'uncertain')"
            " FROM main.edits e JOIN main.attempts a ON a.edit = e.id"
            " WHERE e.id IN (SELECT edit FROM temp.settled WHERE edit > ?"
            "                GROUP BY edit ORDER BY edit LIMIT ?)"
            " GROUP BY e.id ORDER BY e.id",
            (last, PAGE),
        ),
    )


def _move(
    db: apsw.Connection,
    edit: int,
    state: EditState,
    *,
    paid: int,
    uncertain: int,
) -> dict[str, int]:
    """Move an edit as its settled attempts demand; in which counts it is."""
    event = edit_event(paid=paid, uncertain=uncertain)
    if event is None and state is EditState.UNCERTAIN:
        return {"still_uncertain": 1}
    if event is None or (moved := move_edit(state, event)) is state:
        return {"kept": 1}
    db.execute("UPDATE main.edits SET state = ?, kind = NULL WHERE id = ?", (moved, edit))
    if moved is EditState.EDITED:
        return {"edited": 1, "lost": _lose(db, edit)}
    return {"pending": 1}


def _lose(db: apsw.Connection, edit: int) -> int:
    """Give up what waits for an edit whose answers are all unknown; its paths without a result.

    Where an earlier attempt left a URL, what waits is tried from there by the next run.
    """
    db.execute(
        "UPDATE main.placements SET state = ? WHERE edit = ? AND state = ? AND NOT EXISTS"
        " (SELECT 1 FROM main.attempts a WHERE a.edit = placements.edit"
        "  AND a.state = 'paid' AND a.url IS NOT NULL)",
        (
            move_placement(PlacementState.WAITING, PlacementEvent.GIVEN_UP),
            edit,
            PlacementState.WAITING,
        ),
    )
    return int(
        db.execute(
            "SELECT count(*) FROM main.placements WHERE edit = ? AND state = 'lost'",
            (edit,),
        ).get,
    )
