"""Builds a ledger anew from the rows that were saved of a damaged one.

What nobody can know any more is held to be paid, or uncertain: never pending, for then the next
run would pay for it unasked.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import apsw

from qwenbatch.core.repair import Repair
from qwenbatch.core.states import EditState
from qwenbatch.ledger.database import all_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qwenbatch.ledger.salvage import Wreck

_TABLES = (
    # (table, the whole number that its rows are read by, all its columns)
    ("edits", "id", "id, key, state, origin, attempt, kind"),
    (
        "attempts",
        "edit",
        (
            "edit, id, run, sent_at, price, state, ended_at, kind, status, message, request_id,"
            " url, width, height, settled_at, raw"
        ),
    ),
    (
        "placements",
        "edit",
        "edit, path, state, suffix, replaced, digest, size, mtime, inode",
    ),
    ("runs", "id", "id, name, manifest, started_at, ended_at, stopped_by, exit_status, summary"),
    ("manifests", "id", "id, path"),
    (
        "items",
        "manifest",
        (
            "manifest, number, line, image, inline, instruction, negative_prompt, watermark, take,"
            " output, id, extra, key, path, fault"
        ),
    ),
)


def rebuild(db: apsw.Connection, wreck: Wreck | None, *, service: str, ledger_id: str) -> Repair:
    """Fill an empty ledger, whose foreign keys are off, with what can be read; what that was.

    `service` and `ledger_id` are those to use where the wreck does not tell its own. Sources and
    learned rates are left behind: runs find them anew.
    """
    rows: dict[str, int] = {}
    refused: dict[str, int] = {}
    told_service, told_id, command = "", "", ""
    if wreck is not None:
        told_service, told_id = wreck.fact("service"), wreck.fact("id")
        command = wreck.fact("command")
        for table, seek, columns in _TABLES:
            rows[table], refused[table] = _copy(db, wreck, table, seek, columns)
    facts = {"service": told_service or service, "id": told_id or ledger_id, "command": command}
    for name, value in facts.items():
        db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))
    broken = tuple(sorted(wreck.broken)) if wreck else tuple(table for table, _, _ in _TABLES)
    guessed, nameless = _guess(db, edits_lost="edits" in broken or bool(refused.get("edits")))
    _hold_orphans(db)
    return Repair(
        rows=rows,
        broken=broken,
        refused=sum(refused.values()),
        guessed=guessed,
        nameless=nameless,
        service=facts["service"],
        service_read=bool(told_service),
        id_read=bool(told_id),
    )


def _copy(
    db: apsw.Connection,
    wreck: Wreck,
    table: str,
    seek: str,
    columns: str,
) -> tuple[int, int]:
    """Copy a table; how many rows it has now, and how many made no sense."""
    places = ", ".join("?" * len(columns.split(",")))
    insert = f"INSERT INTO {table} ({columns}) VALUES ({places})"  # noqa: S608 - names of our schema
    refused = 0
    for row in wreck.rows(table, seek, columns):
        try:
            db.execute(insert, row)
        except apsw.ConstraintError as error:
            # One that comes twice is no loss; any other value or reference is.
            refused += "UNIQUE" not in str(error)
    return int(db.execute(f"SELECT count(*) FROM {table}").get), refused  # noqa: S608 - likewise


def _guess(db: apsw.Connection, *, edits_lost: bool) -> tuple[int, int]:
    """Add the edits that others tell of; how many, and how many of those without their key."""
    missing = all_rows(
        db.execute(
            "SELECT edit FROM attempts UNION SELECT edit FROM placements"
            " EXCEPT SELECT id FROM edits ORDER BY 1",
        ),
    )
    nameless = sum(_guess_edit(db, edit) for (edit,) in missing)
    items: Sequence[tuple[bytes]] = ()
    if edits_lost:
        items = all_rows(
            db.execute(
                "SELECT DISTINCT key FROM items WHERE key IS NOT NULL AND fault IS NULL"
                " EXCEPT SELECT key FROM edits",
            ),
        )
    db.executemany(
        "INSERT INTO edits (key, state) VALUES (?, ?)",
        [(key, EditState.UNCERTAIN) for (key,) in items],
    )
    return len(missing) + len(items), nameless


def _guess_edit(db: apsw.Connection, edit: int) -> bool:
    """Add an edit of which only the number is known; whether its key is lost.

    A digest is recorded only of a result, and a result is paid for.
    """
    keys = all_rows(
        db.execute(
            "SELECT DISTINCT i.key FROM placements p JOIN items i ON i.path = p.path"
            " WHERE p.edit = ? AND p.replaced IS NULL AND i.key IS NOT NULL"
            " AND i.key NOT IN (SELECT key FROM edits) LIMIT 2",
            (edit,),
        ),
    )
    paid = db.execute(
        "SELECT EXISTS (SELECT 1 FROM attempts WHERE edit = ?1 AND state = 'paid')"
        " OR EXISTS (SELECT 1 FROM placements WHERE edit = ?1 AND digest IS NOT NULL)",
        (edit,),
    ).get
    known = len(keys) == 1
    key = keys[0][0] if known else sha256(b"a lost edit's number: %d" % edit).digest()
    state = EditState.EDITED if paid else EditState.UNCERTAIN
    db.execute("INSERT INTO edits (id, key, state) VALUES (?, ?, ?)", (edit, key, state))
    return not known


def _hold_orphans(db: apsw.Connection) -> None:
    """An edit in flight whose attempt is lost can end no more: it is uncertain."""
    db.execute(
        "UPDATE edits SET state = ?, origin = NULL, attempt = NULL"
        " WHERE state = 'sending' AND NOT EXISTS"
        " (SELECT 1 FROM attempts a WHERE a.edit = edits.id AND a.id = edits.attempt)",
        (EditState.UNCERTAIN,),
    )
