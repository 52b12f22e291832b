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
    from collections.abc import Iterable

    from qwenbatch.ledger.salvage import Wreck

_TABLES = (
    # (table, the whole number that its rows are read by, all its columns)
    ("edits", "id", "id, key, state, origin, attempt, kind"),
    (
        "attempts",
        "edit",
        (
            "edit, id, run, sent_at, price, state, ended_at, kind, status, message, request_id,"
            " url_frame, url, width, height, settled_at, raw"
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
            "manifest, number, line, image_frame, image, inline, instruction, negative_prompt,"
            " watermark, take, output, id, extra, edit, path, fault"
        ),
    ),
)


_FRAMES = ("frames", "id", "id, head, tail")


def rebuild(db: apsw.Connection, wreck: Wreck | None, *, service: str, ledger_id: str) -> Repair:
    """Fill an empty ledger, whose foreign keys are off, with what can be read; what that was.

    `service` and `ledger_id` are those to use where the wreck does not tell its own. Sources and
    learned rates are left behind: runs find them anew.
    """
    rows: dict[str, int] = {}
    refused: dict[str, int] = {}
    told_service, told_id, command, out = "", "", "", ""
    if wreck is not None:
        told_service, told_id = wreck.fact("service"), wreck.fact("id")
        command, out = wreck.fact("command"), wreck.fact("out")
        _, refused["frames"] = _copy(db, wreck, *_FRAMES)
        for table, seek, columns in _TABLES:
            rows[table], refused[table] = _copy(db, wreck, table, seek, columns)
    facts = {"service": told_service or service, "id": told_id or ledger_id, "command": command}
    if out:
        facts["out"] = out
    for name, value in facts.items():
        db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))
    broken = tuple(sorted(wreck.broken)) if wreck else tuple(table for table, _, _ in _TABLES)
    edits_lost = "edits" in broken or bool(refused.get("edits"))
    guessed, nameless = _guess(db, wreck.keys() if wreck and edits_lost else ())
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


def _guess(db: apsw.Connection, keys: Iterable[tuple[int, bytes]]) -> tuple[int, int]:
    """Add the edits that others tell of; how many, and how many of those without their key.

    `keys` are those that can be read elsewhere than in the edits' rows, with their numbers.
    """
    db.execute("CREATE TEMP TABLE told (id INTEGER PRIMARY KEY, key BLOB)")
    db.executemany("INSERT OR IGNORE INTO temp.told VALUES (?, ?)", keys)
    missing = all_rows(
        db.execute(
            "SELECT edit FROM attempts UNION SELECT edit FROM placements"
            " UNION SELECT edit FROM items WHERE edit IS NOT NULL UNION SELECT id FROM temp.told"
            " EXCEPT SELECT id FROM edits ORDER BY 1",
        ),
    )
    nameless = sum(_guess_edit(db, edit) for (edit,) in missing)
    db.execute("DROP TABLE temp.told")
    return len(missing), nameless


def _guess_edit(db: apsw.Connection, edit: int) -> bool:
    """Add an edit whose row is lost; whether its key is lost too.

    A digest is recorded only of a result, and a result is paid for.
    """
    told = db.execute(
        "SELECT key FROM temp.told WHERE id = ? AND key NOT IN (SELECT key FROM edits)",
        (edit,),
    ).fetchone()
    paid = db.execute(
        "SELECT EXISTS (SELECT 1 FROM attempts WHERE edit = ?1 AND state = 'paid')"
        " OR EXISTS (SELECT 1 FROM placements WHERE edit = ?1 AND digest IS NOT NULL)",
        (edit,),
    ).get
    key = told[0] if told else sha256(b"a lost edit's number: %d" % edit).digest()
    state = EditState.EDITED if paid else EditState.UNCERTAIN
    db.execute("INSERT INTO edits (id, key, state) VALUES (?, ?, ?)", (edit, key, state))
    return told is None


def _hold_orphans(db: apsw.Connection) -> None:
    """An edit in flight whose attempt is lost can end no more: it is uncertain."""
    db.execute(
        "UPDATE edits SET state = ?, origin = NULL, attempt = NULL"
        " WHERE state = 'sending' AND NOT EXISTS"
        " (SELECT 1 FROM attempts a WHERE a.edit = edits.id AND a.id = edits.attempt)",
        (EditState.UNCERTAIN,),
    )
