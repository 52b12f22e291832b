"""A ledger held against itself, and what it knows that the disk and the invoice must agree with.

Everything here only reads, and goes row by row: a million are never held at once.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import apsw

from qwenbatch.core.audit import WAITS_TOO_LONG, DayTotals, Finding, FindingKind
from qwenbatch.core.money import MicroUSD
from qwenbatch.core.placements import FileStamp, Placement
from qwenbatch.core.standing import utc
from qwenbatch.ledger.database import all_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = 1000
"""Placements that are looked at in one step."""

_MOST_DAMAGES = 20
_EPOCH_ORDINAL = 719_163
"""The proleptic Gregorian ordinal of 1970-01-01."""

_PLACEMENT = (
    "SELECT p.edit, e.key, p.path, p.suffix, p.replaced, p.digest, p.size, p.mtime, p.inode"
    " FROM placements p JOIN edits e ON e.id = p.edit WHERE p.state = 'saved'"
)

_WRONG_SPENDING = """
    WITH counted AS (
        SELECT run, sent_at / 86400000 AS day, price * (state = 'reserved') AS reserved,
               price * (state = 'paid') AS paid, price * (state = 'uncertain') AS uncertain,
               state = 'paid' AS bought
        FROM attempts
    ), again AS (
        SELECT 'run' AS scope, run AS id, sum(reserved) AS reserved, sum(paid) AS paid,
               sum(uncertain) AS uncertain, count(*) AS attempts, sum(bought) AS bought
        FROM counted GROUP BY run
        UNION ALL
        SELECT 'day', day, sum(reserved), sum(paid), sum(uncertain), count(*), sum(bought)
        FROM counted GROUP BY day
    ), kept AS (
        SELECT scope, id, reserved, paid, uncertain, attempts, bought FROM spending
        WHERE reserved OR paid OR uncertain OR attempts OR bought
    )
    SELECT scope, id FROM (SELECT * FROM again EXCEPT SELECT * FROM kept)
    UNION
    SELECT scope, id FROM (SELECT * FROM kept EXCEPT SELECT * FROM again)
    ORDER BY 1, 2
"""
_WRONG_TALLY = """
    WITH again AS (SELECT state, ifnull(kind, '') AS kind, count(*) FROM edits GROUP BY 1, 2),
         kept AS (SELECT state, kind, edits FROM tally WHERE edits)
    SELECT state, kind FROM (SELECT * FROM again EXCEPT SELECT * FROM kept)
    UNION
    SELECT state, kind FROM (SELECT * FROM kept EXCEPT SELECT * FROM again)
    ORDER BY 1, 2
"""


_WRONG_STANDINGS = """
    WITH again AS (
        SELECT i.fault IS NOT NULL AS invalid,
               iif(i.fault IS NULL, ifnull(e.state, ''), '') AS edit,
               iif(i.fault IS NULL, ifnull(e.kind, ''), '') AS kind,
               iif(i.fault IS NULL AND e.state = 'edited', ifnull(p.state, ''), '') AS placement,
               count(*)
        FROM items i LEFT JOIN edits e ON e.id = i.edit
             LEFT JOIN placements p ON p.edit = e.id AND p.path = i.path
        GROUP BY 1, 2, 3, 4
    ), kept AS (SELECT invalid, edit, kind, placement, items FROM standings WHERE items)
    SELECT EXISTS (SELECT * FROM again EXCEPT SELECT * FROM kept)
        OR EXISTS (SELECT * FROM kept EXCEPT SELECT * FROM again)
"""


def damages(db: apsw.Connection) -> Iterator[Finding]:
    """What SQLite's own quick check finds wrong with the file."""
    try:
        for (words,) in db.execute(f"PRAGMA quick_check({_MOST_DAMAGES:d})"):
            if words != "ok":
                yield Finding(kind=FindingKind.DAMAGED, detail=str(words))
    except apsw.CorruptError as error:
        yield Finding(kind=FindingKind.DAMAGED, detail=str(error))


def miscounts(db: apsw.Connection) -> Iterator[Finding]:
    """Running totals that are not the sums of their rows; a total of nothing need not be there."""
    for scope, number in db.execute(_WRONG_SPENDING):
        where = f"run {number}" if scope == "run" else f"day {_day(number)}"
        yield Finding(
            kind=FindingKind.MISCOUNTED,
            detail=f"the money of {where} is not the sum of its attempts",
        )
    for state, kind in db.execute(_WRONG_TALLY):
        of_kind = f" with the kind {kind}" if kind else ""
        yield Finding(
            kind=FindingKind.MISCOUNTED,
            detail=f"the count of edits that are {state}{of_kind} is not that of their rows",
        )
    if db.execute(_WRONG_STANDINGS).get:
        yield Finding(
            kind=FindingKind.MISCOUNTED,
            detail="the counts of items that stand so or so are not those of their rows",
        )


def saved_placements(db: apsw.Connection) -> Iterator[tuple[int, str, Placement]]:
    """Every saved placement, with its edit's number, and its key in hexadecimal."""
    last = (0, "")
    while page := all_rows(
        db.execute(
            f"{_PLACEMENT} AND (p.edit, p.path) > (?, ?) ORDER BY p.edit, p.path LIMIT ?",
            (*last, PAGE),
        ),
    ):
        for row in page:
            last = (row[0], row[2])
            yield _placement(*row)


def saved_placement(db: apsw.Connection, edit: int, path: str) -> Placement | None:
    """One of them as it is now; None if it is not saved any more."""
    row = db.execute(f"{_PLACEMENT} AND p.edit = ? AND p.path = ?", (edit, path)).fetchone()
    return _placement(*row)[2] if row else None


def knows_file(db: apsw.Connection, path: str) -> bool:
    """Whether a file, relative to OUT, is one that the ledger has or had there."""
    stem, dot, _ = path.rpartition(".")
    known = (
        "SELECT 1 FROM placements WHERE path IN (?1, ?2)"
        " AND digest IS NOT NULL AND path || suffix = ?1 AND"
    )
    return bool(
        db.execute(
            f"SELECT EXISTS ({known} state = 'saved' AND replaced IS NULL)"
            f" OR EXISTS ({known} (state <> 'saved' OR replaced IS NOT NULL))",
            (path, stem if dot else path),
        ).get,
    )


def overdue(db: apsw.Connection, *, now: int) -> Iterator[Finding]:
    """Paths whose paid result still waits, a day after the last answer; `now` in milliseconds."""
    for key, path, answered, request_id in db.execute(
        "SELECT e.key, p.path, max(a.ended_at), a.request_id"
        " FROM placements p JOIN edits e ON e.id = p.edit"
        " JOIN attempts_whole a ON a.edit = e.id AND a.state = 'paid'"
        " WHERE p.state = 'waiting' AND e.state = 'edited'"
        " GROUP BY p.edit, p.path HAVING max(a.ended_at) < ? ORDER BY p.edit, p.path",
        (now - WAITS_TOO_LONG * 1000,),
    ):
        yield Finding(
            kind=FindingKind.OVERDUE,
            path=path,
            key=key.hex(),
            request_ids=(request_id,) if request_id else (),
            detail=f"paid, answered {utc(answered / 1000)}, still not fetched",
        )


def uncertain(db: apsw.Connection, *, in_flight: bool) -> Iterator[Finding]:
    """Attempts that are not settled; with `in_flight` also those that a death left in flight."""
    for key, state, price, sent_at, kind, request_id in db.execute(
        "SELECT e.key, a.state, a.price, a.sent_at, a.kind, a.request_id"
        " FROM attempts_whole a JOIN edits e ON e.id = a.edit"
        " WHERE a.state IN ('reserved', 'uncertain') AND (a.state = 'uncertain' OR ?)"
        " ORDER BY a.sent_at",
        (in_flight,),
    ):
        how = "in flight when its run ended" if state == "reserved" else kind or "uncertain"
        yield Finding(
            kind=FindingKind.UNCERTAIN,
            key=key.hex(),
            request_ids=(request_id,) if request_id else (),
            amount=MicroUSD(price),
            detail=f"sent {utc(sent_at / 1000)}: {how.replace('_', ' ')}",
        )


def paid_again(db: apsw.Connection) -> Iterator[Finding]:
    """Edits that were paid more than once; the amount is what all but the first cost."""
    for key, paid, amount, request_ids in db.execute(
        "SELECT e.key, count(*), sum(a.price) - min(a.price),"
        " group_concat(a.request_id, char(10) ORDER BY a.sent_at)"
        " FROM attempts_whole a JOIN edits e ON e.id = a.edit WHERE a.state = 'paid'"
        " GROUP BY a.edit HAVING count(*) > 1 ORDER BY a.edit",
    ):
        yield Finding(
            kind=FindingKind.PAID_AGAIN,
            key=key.hex(),
            request_ids=_ids(request_ids),
            amount=MicroUSD(amount),
            detail=f"paid {paid} times",
        )


def retried(db: apsw.Connection) -> Iterator[Finding]:
    """Edits sent again after a server error; the amount is what those errors cost if billed."""
    for key, errors, amount, request_ids in db.execute(
        "SELECT e.key, sum(a.kind = 'server_error'), sum(a.price * (a.kind = 'server_error')),"
        " group_concat(a.request_id, char(10) ORDER BY a.sent_at)"
        " FROM attempts_whole a JOIN edits e ON e.id = a.edit"
        " WHERE a.edit IN (SELECT f.edit FROM attempts f WHERE f.kind = 'server_error'"
        "                  AND f.state = 'unpaid' AND f.settled_at IS NULL)"
        " GROUP BY a.edit HAVING count(*) > 1"
        " AND min(CASE WHEN a.kind = 'server_error' THEN a.sent_at END) < max(a.sent_at)"
        " ORDER BY a.edit",
    ):
        yield Finding(
            kind=FindingKind.RETRIED,
            key=key.hex(),
            request_ids=_ids(request_ids),
            amount=MicroUSD(amount),
            detail=f"{errors} of its attempts ended in a server error, which should be free",
        )


def days(db: apsw.Connection) -> list[DayTotals]:
    """Every UTC day on which something was sent, from the attempts themselves."""
    return [
        DayTotals(
            day=_day(number),
            attempts=attempts,
            paid=paid,
            uncertain=doubtful,
            paid_amount=MicroUSD(paid_amount),
            uncertain_amount=MicroUSD(doubtful_amount),
        )
        for number, attempts, paid, doubtful, paid_amount, doubtful_amount in db.execute(
            "SELECT sent_at / 86400000, count(*), sum(state = 'paid'),"
            " sum(state IN ('uncertain', 'reserved')), sum(price * (state = 'paid')),"
            " sum(price * (state IN ('uncertain', 'reserved')))"
            " FROM attempts GROUP BY 1 ORDER BY 1",
        )
    ]


def _placement(  # noqa: PLR0917 - the columns of one query, in their order
    number: int,
    key: bytes,
    path: str,
    suffix: str,
    replaced: str | None,
    digest: bytes | None,
    *stamp: int | None,
) -> tuple[int, str, Placement]:
    size, mtime, inode = stamp
    known = None if size is None or mtime is None or inode is None else (size, mtime, inode)
    return (
        number,
        key.hex(),
        Placement(
            path=path,
            suffix=suffix,
            replaced=replaced,
            digest=digest,
            stamp=None if known is None else FileStamp(*known),
        ),
    )


def _ids(joined: str | None) -> tuple[str, ...]:
    return tuple(joined.split("\n")) if joined else ()


def _day(number: int) -> date:
    return date.fromordinal(_EPOCH_ORDINAL + number)
