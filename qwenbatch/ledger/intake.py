"""Takes in what an earlier run could only spool."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from qwenbatch.core.money import DEFAULT_PRICE
from qwenbatch.core.states import AttemptState, EditEvent, EditState
from qwenbatch.ledger import edits, frames, placements
from qwenbatch.ledger.spool import Spooled, SpooledEnd, SpooledRelease

if TYPE_CHECKING:
    import apsw

NO_RUN = 0
"""The run of attempts that the ledger never heard of; runs count from 1."""


def take_in(db: apsw.Connection, record: Spooled) -> None:
    """Take in one record, inside the transaction in which a run begins or a ledger is settled.

    A ledger that was rebuilt, or brought back from a backup, may not know the attempt: an answer
    is kept all the same, for it is paid, and so is a doubt. An attempt that was not paid is
    nothing to it.
    """
    match record:
        case SpooledRelease(key, attempt):
            edits.release(db, key, attempt)
        case SpooledEnd(ended, at):
            known = db.execute(
                "SELECT EXISTS (SELECT 1 FROM attempts a JOIN edits e ON e.id = a.edit"
                " WHERE e.key = ? AND a.id = ?)",
                (ended.key, ended.attempt.bytes),
            ).get
            if known:
                edits.end(db, ended, now=at)
            else:
                _adopt(db, record)
        case never:
            assert_never(never)


def _adopt(db: apsw.Connection, record: SpooledEnd) -> None:
    """Add an attempt that the ledger does not know, as uncertain, and its answer if it has one."""
    ended = record.ended
    if ended.event not in {EditEvent.ANSWERED, EditEvent.DOUBTED}:
        return
    edits.want(db, ended.key, ())
    edit, state = db.execute(
        "SELECT id, state FROM edits WHERE key = ?",
        (ended.key,),
    ).get
    db.execute(
        "INSERT INTO attempts (edit, id, run, sent_at, price, state, ended_at, kind, message,"
        " request_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            edit,
            ended.attempt.bytes,
            NO_RUN,
            record.at,
            DEFAULT_PRICE if record.price is None else record.price,
            AttemptState.UNCERTAIN,
            record.at,
            ended.kind,
            ended.message or None,
            frames.pack(ended.request_id) or None,
        ),
    )
    if state in {EditState.PENDING, EditState.FAILED}:
        db.execute(
            "UPDATE edits SET state = ?, kind = ? WHERE id = ?",
            (EditState.UNCERTAIN, ended.kind, edit),
        )
    if ended.event is EditEvent.ANSWERED:
        placements.want(db, edit, _paths(db, edit))
        edits.end(db, ended, now=record.at)


def _paths(db: apsw.Connection, edit: int) -> list[str]:
    """Where the last run over each item of this edit would have its result."""
    return [
        path
        for (path,) in db.execute(
            "SELECT DISTINCT path FROM items WHERE edit = ? AND fault IS NULL",
            (edit,),
        )
    ]
