"""Counts a plan's items and money as the ledger has them at this moment."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from qwenbatch.core.money import MicroUSD
from qwenbatch.core.outcomes import ItemState
from qwenbatch.core.plan import Fate, failure_of, state_of
from qwenbatch.core.summary import Cost, EditCounts, ItemCounts
from qwenbatch.ledger.database import all_rows
from qwenbatch.ledger.standing import standing_of

if TYPE_CHECKING:
    import apsw

_DONE = "fate IS 'saved' AND expected IS 'edited'"
"""A row of the plan whose edit is still the one whose result the planner found in place."""


def count_items(
    db: apsw.Connection,
    run: int | None,
    *,
    opened: bool,
    running: bool = False,
) -> tuple[ItemCounts, dict[str, int]]:
    """Every row of the plan in its count, and the failures of those not saved, by kind.

    `reused` are the saved items whose edit no attempt of `run` paid for. Before the placements
    that the plan found wanting are `opened`, the ledger still calls them saved: they are not.
    `running`: another run holds the ledger, so that what is being sent is in flight.
    """
    paid_any = run is not None and count_edits(db, run).paid > 0
    # What is in place since before the run, and stays so, is not looked up row by row.
    done = f"SELECT count(*) FROM temp.rows WHERE {_DONE}"  # noqa: S608 - a constant
    untouched = 0 if paid_any else db.execute(done).get
    counts = Counter[str](
        {"total": untouched, ItemState.SAVED: untouched, "reused": untouched} if untouched else {}
    )
    failures: Counter[str] = Counter()
    for invalid, edit, kind, placement, paid_now, items in db.execute(
        "SELECT r.fault IS NOT NULL, e.state, e.kind,"  # noqa: S608 - constants
        " CASE WHEN p.replaced IS NOT NULL OR (r.fate = 'place' AND NOT ?)"
        "      THEN iif(p.state = 'saved', 'waiting', p.state) ELSE p.state END,"
        " EXISTS (SELECT 1 FROM main.attempts a WHERE a.edit = e.id AND a.run = ?"
        "         AND a.state = 'paid') AS paid_now, count(*)"
        " FROM temp.rows r LEFT JOIN main.edits e ON e.key = r.key"
        " LEFT JOIN main.placements p ON p.edit = e.id AND p.path = r.path"
        f" WHERE ? OR NOT ({_DONE}) GROUP BY 1, 2, 3, 4, 5",
        (opened, -1 if run is None else run, paid_any),
    ):
        standing = standing_of(edit, kind, placement, running=running)
        state = state_of(standing, invalid=bool(invalid))
        counts["total"] += items
        counts[state] += items
        if state is ItemState.SAVED and not paid_now:
            counts["reused"] += items
        failure = failure_of(standing, state)
        if failure is not None:
            failures[failure] += items
    return ItemCounts(**counts), dict(failures)


def count_after(db: apsw.Connection, *, running: bool = False) -> ItemCounts:
    """The counts that a run over this plan would end with, if all goes well.

    `running` as in `count_items`.
    """
    counts: Counter[str] = Counter()
    for fate, edit, kind, placement, items in db.execute(
        "SELECT r.fate, e.state, e.kind, p.state, count(*)"
        " FROM temp.rows r LEFT JOIN main.edits e ON e.key = r.key"
        " LEFT JOIN main.placements p ON p.edit = e.id AND p.path = r.path"
        " GROUP BY 1, 2, 3, 4",
    ):
        counts["total"] += items
        match fate:
            case Fate.HELD:
                standing = standing_of(edit, kind, placement, running=running)
                counts[state_of(standing, invalid=False)] += items
            case Fate.SAVED | Fate.PLACE | Fate.SEND | Fate.RESEND_LOST:
                counts[ItemState.SAVED] += items
            case _:
                counts[ItemState.INVALID] += items
    return ItemCounts(**counts)


def count_edits(db: apsw.Connection, run: int) -> EditCounts:
    """What a run sent, and how many attempts of it were paid."""
    row = db.execute(
        "SELECT attempts, bought FROM main.spending WHERE scope = 'run' AND id = ?",
        (run,),
    ).fetchone()
    return EditCounts(attempts=row[0], paid=row[1]) if row else EditCounts()


def count_cost(db: apsw.Connection, run: int | None, *, running: bool = False) -> Cost:
    """What the run spent, and what of this plan's edits may have been spent, or spent twice.

    `running` as in `count_items`: what is in flight is no exposure then.
    """
    spent = db.execute(
        "SELECT paid FROM main.spending WHERE scope = 'run' AND id = ?",
        (-1 if run is None else run,),
    ).fetchone()
    exposure = db.execute(
        "SELECT ifnull(sum(a.price), 0) FROM main.attempts a JOIN main.edits e ON e.id = a.edit"
        " WHERE (a.state = 'uncertain' OR (a.state = 'reserved' AND NOT ?))"
        " AND EXISTS (SELECT 1 FROM temp.rows r WHERE r.key = e.key)",
        (running,),
    ).get
    twice = db.execute(
        "SELECT ifnull(sum(total - least), 0) FROM"
        " (SELECT e.key AS key, sum(a.price) AS total, min(a.price) AS least"
        "  FROM main.attempts a JOIN main.edits e ON e.id = a.edit"
        "  WHERE a.edit IN (SELECT edit FROM main.repeated)"
        "  AND (a.state IN ('paid', 'uncertain') OR (a.state = 'reserved' AND NOT ?))"
        "  GROUP BY a.edit HAVING count(*) > 1) doubled"
        " WHERE EXISTS (SELECT 1 FROM temp.rows r WHERE r.key = doubled.key)",
        (running,),
    ).get
    return Cost(
        spent=MicroUSD(spent[0] if spent else 0),
        exposure=MicroUSD(exposure),
        maybe_twice=MicroUSD(twice),
        ledger_total=ledger_total(db),
    )


def ledger_total(db: apsw.Connection) -> MicroUSD:
    """What the ledger has ever paid."""
    return MicroUSD(
        db.execute("SELECT ifnull(sum(paid), 0) FROM main.spending WHERE scope = 'day'").get,
    )


def count_to_send(db: apsw.Connection) -> int:
    """How many edits the plan would send."""
    return int(
        db.execute(
            "SELECT count(DISTINCT key) FROM temp.rows WHERE fate IN ('send', 'resend_lost')",
        ).get,
    )


def count_to_place(db: apsw.Connection) -> int:
    """How many paths wait for a result that is paid for."""
    return int(
        db.execute(
            "SELECT count(*) FROM"
            " (SELECT DISTINCT key, path FROM temp.rows WHERE fate IN ('place', 'resend_lost'))",
        ).get,
    )


def sizes(db: apsw.Connection, most: int) -> list[tuple[int, int, int]]:
    """The commonest sizes of sources to be sent: width and height in pixels, and how many."""
    return all_rows(
        db.execute(
            "SELECT width, height, count(*) AS items FROM temp.rows"
            " WHERE fate IN ('send', 'resend_lost') AND width IS NOT NULL"
            " GROUP BY width, height ORDER BY items DESC, width, height LIMIT ?",
            (most,),
        )
    )
