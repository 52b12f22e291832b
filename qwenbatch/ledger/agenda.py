"""What a planned run has to do, asked for while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from qwenbatch.core.canary import spread
from qwenbatch.core.paths import fold
from qwenbatch.core.plan import Edit, Fate, KeyedRow
from qwenbatch.core.states import EditState
from qwenbatch.ledger import edits, placements
from qwenbatch.ledger.database import all_rows
from qwenbatch.ledger.plan import decode_keyed, encode_fault, encode_row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import apsw

    from qwenbatch.core.items import Fault
    from qwenbatch.core.keys import EditKey
    from qwenbatch.ledger.writer import Writer

PAGE = 64
"""Edits that are taken from the plan at once."""


class Agenda:
    """The edits of a plan, and what becomes of its rows, for the engine's event loop."""

    def __init__(self, writer: Writer) -> None:
        self._do = writer
        self.changed = False
        """Whether rows were keyed anew or refused since they were planned."""

    async def open_placements(self) -> int:
        """Note in the ledger every path that waits for a paid result; how many there are."""

        def want(db: apsw.Connection) -> int:
            found = all_rows(
                db.execute(
                    "SELECT DISTINCT key, path FROM temp.rows WHERE fate = 'place'",
                )
            )
            for key, path in found:
                placements.want_again(db, key, path)
            return len(found)

        return await self._do(want)

    async def edits(self) -> AsyncIterator[Edit]:
        """The edits to send, in the manifest's order, each once."""
        last = 0
        while page := await self._do(lambda db, last=last: _page(db, last)):  # type: ignore[misc] # bound
            for last, edit in page:  # noqa: B007 - the last one begins the next page
                yield edit

    async def flying(self, key: EditKey) -> Edit | None:
        """An edit of the plan whose attempt an earlier life of this run let go."""

        def find(db: apsw.Connection) -> Edit | None:
            rows = _rows_of(db, key)
            return _edit(db, rows[0][1], Fate.SEND, EditState.SENDING) if rows else None

        return await self._do(find)

    async def canaries(self, wanted: int) -> list[Edit]:
        """At most so many of the edits to send, spread evenly over the manifest."""
        return await self._do(lambda db: _spread(db, wanted))

    async def rekey(self, old: Edit, keyed: KeyedRow) -> list[Edit]:
        """Rows whose source changed get its new key; the edits that they and the rest now make.

        `keyed` is the old edit's row with its new key. Rows of the old key with another source
        keep it, and are sent from there. Where the new key is that of other rows, which may be in
        flight at this moment, all of them share one edit: whoever is paid for it is told all paths.
        What was asked for the old key, such as to send it again, is not asked for the new one.
        """
        self.changed = True
        source = old.keyed.row.source

        def change(db: apsw.Connection) -> list[Edit]:
            rest = None
            for number, before in _rows_of(db, old.key):
                if before.row.source == source:
                    after = KeyedRow(row=before.row, key=keyed.key, facts=keyed.facts)
                    db.execute(
                        "UPDATE temp.rows SET key = ?, expected = 'pending' WHERE number = ?",
                        (keyed.key, number),
                    )
                    db.execute(
                        "UPDATE temp.texts SET row = ? WHERE number = ?",
                        (encode_row(after), number),
                    )
                else:
                    rest = rest or before
            found = [_unplanned(db, keyed, rekeyed=True)]
            if found[0].fate is Fate.SEND:
                edits.want(db, keyed.key, found[0].paths)
            return found if rest is None else [*found, _unplanned(db, rest, rekeyed=False)]

        return await self._do(change)

    async def refuse(self, edit: Edit, fault: Fault) -> Edit | None:
        """The rows of an edit with its source turn out to be invalid: nothing is sent for them.

        What is left of the edit is what other rows, with another source of the same bytes, make.
        """
        self.changed = True
        source = edit.keyed.row.source

        def change(db: apsw.Connection) -> Edit | None:
            rest = None
            for number, keyed in _rows_of(db, edit.key):
                if keyed.row.source == source:
                    db.execute(
                        "UPDATE temp.rows SET fault = ?, fate = 'invalid' WHERE number = ?",
                        (encode_fault(fault), number),
                    )
                else:
                    rest = rest or keyed
            return None if rest is None else _unplanned(db, rest, rekeyed=edit.rekeyed)

        return await self._do(change)

    async def owner(self, path: str) -> EditKey | None:
        """The edit to which this manifest gives a path."""
        return await self._do(lambda db: owner_of(db, path))


def owner_of(db: apsw.Connection, path: str) -> EditKey | None:
    """The edit to which the planned manifest gives a path; None if it is no row's."""
    row = db.execute(
        "SELECT key FROM temp.rows WHERE fold = ? AND path = ? AND fault IS NULL LIMIT 1",
        (fold(path), path),
    ).fetchone()
    return row[0] if row else None


def items_at(db: apsw.Connection, key: EditKey, path: str) -> int:
    """How many rows of the planned manifest have this key and path."""
    return int(
        db.execute(
            "SELECT count(*) FROM temp.rows WHERE key = ? AND path = ? AND fault IS NULL",
            (key, path),
        ).get,
    )


_TEXT = "SELECT row FROM temp.texts t WHERE t.number = r.number"

_TO_SEND = (
    "SELECT {columns} FROM temp.rows r WHERE fate IN ('send', 'resend_lost') AND number > ?"
    " AND number = (SELECT min(number) FROM temp.rows o WHERE o.key = r.key"
    "               AND o.fate IN ('send', 'resend_lost'))"
)
"""The first row of every edit to send, behind a row's number."""


def _spread(db: apsw.Connection, wanted: int) -> list[Edit]:
    total = int(db.execute(_TO_SEND.format(columns="count(*)"), (0,)).get)
    return [
        edit for place in spread(total, wanted) for _, edit in _page(db, 0, limit=1, offset=place)
    ]


def _page(
    db: apsw.Connection,
    last: int,
    *,
    limit: int = PAGE,
    offset: int = 0,
) -> list[tuple[int, Edit]]:
    rows = all_rows(
        db.execute(
            _TO_SEND.format(columns=f"number, ({_TEXT}), fate, expected")
            + " ORDER BY number LIMIT ? OFFSET ?",
            (last, limit, offset),
        )
    )
    return [
        (number, _edit(db, decode_keyed(row), Fate(fate), EditState(expected)))
        for number, row, fate, expected in rows
    ]


def _rows_of(db: apsw.Connection, key: EditKey) -> list[tuple[int, KeyedRow]]:
    rows = all_rows(
        db.execute(
            f"SELECT number, ({_TEXT}) FROM temp.rows r"  # noqa: S608 - a constant
            " WHERE key = ? AND fault IS NULL ORDER BY number",
            (key,),
        )
    )
    return [(number, decode_keyed(row)) for number, row in rows]


def _unplanned(db: apsw.Connection, keyed: KeyedRow, *, rekeyed: bool) -> Edit:
    """An edit that was not planned so.

    Nothing was asked for it: so it is sent only if it is new or still pending; one that is paid
    for is placed.
    """
    state = db.execute("SELECT state FROM main.edits WHERE key = ?", (keyed.key,)).fetchone()
    paid = state is not None and state[0] == EditState.EDITED
    edit = _edit(db, keyed, Fate.PLACE if paid else Fate.SEND, EditState.PENDING)
    return msgspec.structs.replace(edit, rekeyed=rekeyed)


def _edit(db: apsw.Connection, keyed: KeyedRow, fate: Fate, expected: EditState) -> Edit:
    paths = all_rows(
        db.execute(
            "SELECT path, count(*) FROM temp.rows WHERE key = ? AND fault IS NULL"
            " GROUP BY path ORDER BY min(number)",
            (keyed.key,),
        )
    )
    return Edit(
        keyed=keyed,
        paths=tuple(path for path, _ in paths),
        items=sum(count for _, count in paths),
        expected=expected,
        fate=fate,
    )
