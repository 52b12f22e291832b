"""The moves of placements: a paid result's way to its items' paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwenbatch.core.states import (
    IllegalMoveError,
    PlacementEvent,
    PlacementState,
    move_placement,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    import apsw

    from qwenbatch.core.keys import EditKey
    from qwenbatch.core.placements import FileStamp, Preparation, Saved


def want(db: apsw.Connection, edit: int, paths: Iterable[str]) -> None:
    """Note where an edit's result is wanted; what is noted already stays as it is."""
    db.executemany(
        "INSERT INTO placements (edit, path, state) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        [(edit, path, PlacementState.WAITING) for path in paths],
    )


def want_all(db: apsw.Connection, edit: int) -> None:
    """A new answer came: what was lost of this edit waits for it."""
    db.execute(
        "UPDATE placements SET state = ? WHERE edit = ? AND state = ?",
        (
            move_placement(PlacementState.LOST, PlacementEvent.WANTED),
            edit,
            PlacementState.LOST,
        ),
    )


def want_again(db: apsw.Connection, key: EditKey, path: str) -> None:
    """The result of a paid edit is to be placed at this path, for the first time or again."""
    edit = _edit(db, key)
    found = _find(db, edit, path)
    if found is None:
        want(db, edit, (path,))
    else:
        db.execute(
            "UPDATE placements SET state = ? WHERE edit = ? AND path = ?",
            (move_placement(found, PlacementEvent.WANTED), edit, path),
        )


def forget_unpaid(db: apsw.Connection) -> None:
    """Drop the wishes of edits that were never paid: the plan makes them anew."""
    db.execute(
        "DELETE FROM placements WHERE state = 'waiting' AND digest IS NULL"
        " AND edit IN (SELECT id FROM edits WHERE state IN ('pending', 'failed'))",
    )


def is_lost(db: apsw.Connection, edit: int) -> bool:
    """Whether nothing of a paid edit is in place, or may yet be.

    One whose result was never asked for anywhere is not lost: nobody has tried its URL.
    """
    lost, others = db.execute(
        "SELECT ifnull(sum(state = 'lost'), 0), ifnull(sum(state <> 'lost'), 0)"
        " FROM placements WHERE edit = ?",
        (edit,),
    ).get
    return bool(lost and not others)


def prepare(db: apsw.Connection, preparation: Preparation) -> None:
    """Record a verified result's digest and path before it is renamed into place.

    Whatever of ours the ledger has at that path makes room: it was moved to `replaced/`, or its
    file is gone or overwritten, and then the ledger no longer says that it is there.
    """
    edit = _edit(db, preparation.key)
    if preparation.replaced is None:
        if preparation.displaced is not None:
            db.execute(
                "UPDATE placements SET replaced = ? WHERE path = ? AND edit = ?",
                (
                    preparation.displaced.to,
                    preparation.path,
                    _edit(db, preparation.displaced.key),
                ),
            )
        db.execute(
            "DELETE FROM placements WHERE path = ? AND edit <> ?"
            " AND state = 'saved' AND replaced IS NULL",
            (preparation.path, edit),
        )
    db.execute(
        "UPDATE placements SET digest = ?, size = ?, mtime = NULL, inode = NULL, suffix = ?,"
        " replaced = ? WHERE path = ? AND edit = ?",
        (
            preparation.digest,
            preparation.size,
            preparation.suffix,
            preparation.replaced,
            preparation.path,
            edit,
        ),
    )


def save(db: apsw.Connection, saved: Saved) -> None:
    """Record that a result is in place; its edit's raw answers are needed no longer."""
    edit = _edit(db, saved.key)
    found = _find(db, edit, saved.path)
    if found is None:
        raise IllegalMoveError(f"no placement of {saved.key.hex()} at {saved.path} is known")
    db.execute(
        "UPDATE placements SET state = ?, size = ?, mtime = ?, inode = ?"
        " WHERE edit = ? AND path = ?",
        (
            move_placement(found, PlacementEvent.PLACED),
            saved.stamp.size,
            saved.stamp.mtime,
            saved.stamp.inode,
            edit,
            saved.path,
        ),
    )
    db.execute(
        "UPDATE attempts SET raw = NULL WHERE edit = ? AND state = 'paid' AND raw IS NOT NULL",
        (edit,),
    )


def restamp(db: apsw.Connection, key: EditKey, path: str, stamp: FileStamp) -> None:
    """A saved file has the recorded digest under another stamp: copied, touched, restored."""
    db.execute(
        "UPDATE placements SET size = ?, mtime = ?, inode = ? WHERE path = ? AND edit = ?",
        (stamp.size, stamp.mtime, stamp.inode, path, _edit(db, key)),
    )


def lose(db: apsw.Connection, key: EditKey, path: str) -> None:
    """Record that a paid result can no longer be had for this path."""
    edit = _edit(db, key)
    found = _find(db, edit, path)
    if found is None:
        raise IllegalMoveError(f"no placement of {key.hex()} at {path} is known")
    db.execute(
        "UPDATE placements SET state = ? WHERE edit = ? AND path = ?",
        (move_placement(found, PlacementEvent.GIVEN_UP), edit, path),
    )


def _edit(db: apsw.Connection, key: EditKey) -> int:
    row = db.execute("SELECT id FROM edits WHERE key = ?", (key,)).fetchone()
    if row is None:
        raise IllegalMoveError(f"the edit {key.hex()} is not known")
    return int(row[0])


def _find(db: apsw.Connection, edit: int, path: str) -> PlacementState | None:
    row = db.execute(
        "SELECT state FROM placements WHERE path = ? AND edit = ?",
        (path, edit),
    ).fetchone()
    return PlacementState(row[0]) if row else None
