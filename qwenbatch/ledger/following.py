"""Items of a planned run, read while it goes on: by number, by page, by edit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from qwenbatch.core.items import Fault
from qwenbatch.core.plan import Fate
from qwenbatch.ledger.database import all_rows, dump_json
from qwenbatch.ledger.outcomes import COLUMNS, ItemRow, attempts_of, outcome_of
from qwenbatch.ledger.runs import fault_words

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import apsw

    from qwenbatch.core.keys import EditKey
    from qwenbatch.core.outcomes import Outcome
    from qwenbatch.core.store_url import StoreUrl

# A result that had to make room is not in place, whatever its state: the counts say so too.
_PLACEMENT = "iif(p.replaced IS NOT NULL AND p.state = 'saved', 'waiting', p.state)"

_ROWS = f"""
    SELECT {COLUMNS.format(rows="r", placement=_PLACEMENT)}, r.fate
    FROM temp.rows r
    JOIN main.manifests m ON m.path = ?
    JOIN main.items_whole i ON i.manifest = m.id AND i.number = r.number
    LEFT JOIN main.edits e ON e.key = r.key
    LEFT JOIN main.placements p ON p.path = r.path AND p.edit = e.id
    WHERE r.number IN (SELECT value FROM json_each(?))
    ORDER BY r.number
"""  # noqa: S608 - of constants

_decode_fault = msgspec.json.Decoder(Fault).decode


def numbers(db: apsw.Connection, *, after: int, most: int, idle: bool) -> list[int]:
    """The next rows of the plan after a number; with `idle` those that nothing is done about."""
    wanted = "AND (fault IS NOT NULL OR fate IN ('saved', 'held', 'invalid'))" if idle else ""
    return [
        number
        for (number,) in db.execute(
            f"SELECT number FROM temp.rows WHERE number > ? {wanted} ORDER BY number LIMIT ?",  # noqa: S608 - of constants
            (after, most),
        )
    ]


def numbers_of(db: apsw.Connection, key: EditKey, *, after: int, most: int) -> list[int]:
    """The next rows of an edit after a number."""
    return [
        number
        for (number,) in db.execute(
            "SELECT number FROM temp.rows WHERE key = ? AND number > ? ORDER BY number LIMIT ?",
            (key, after, most),
        )
    ]


def read(
    db: apsw.Connection,
    wanted: Sequence[int],
    *,
    manifest: str,
    out: Path | StoreUrl,
) -> list[tuple[Fate | None, Outcome]]:
    """What this run does about these rows of the plan, and what has become of them so far.

    `manifest` is the name under which the ledger has the items, `out` is OUT, absolute.
    """
    found = all_rows(db.execute(_ROWS, (manifest, dump_json(list(wanted)))))
    items = [ItemRow(*columns) for *columns, _ in found]
    for item in items:
        if item.fault is not None:
            item.fault = fault_words(_decode_fault(item.fault))
    attempts = attempts_of(db, items)
    return [
        (
            None if row[-1] is None else Fate(row[-1]),
            outcome_of(item, attempts.get(item.edit, []), out),
        )
        for row, item in zip(found, items, strict=True)
    ]
