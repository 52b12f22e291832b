"""The moves of edits and attempts: each function is one transaction's worth, under the tables.

Every function takes the writer's connection, inside a transaction, and a moment in milliseconds.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from qwenbatch.core.attempts import CapRefusal, Permit, StateRefusal
from qwenbatch.core.budget import Spending, period_end, period_start, refusing_cap
from qwenbatch.core.money import NOTHING
from qwenbatch.core.states import (
    FIRST_ORIGINS,
    AttemptState,
    EditEvent,
    EditState,
    IllegalMoveError,
    move_attempt,
    move_edit,
)
from qwenbatch.core.verdicts import Kind
from qwenbatch.ledger import frames, placements
from qwenbatch.ledger.database import all_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from qwenbatch.core.attempts import AttemptEnd, AttemptId, PermitAnswer, PermitRequest
    from qwenbatch.core.budget import Caps
    from qwenbatch.core.keys import EditKey

DAY_MILLISECONDS = 86_400_000
_EPOCH_ORDINAL = 719_163
"""The proleptic Gregorian ordinal of 1970-01-01."""


def permit(
    db: apsw.Connection,
    request: PermitRequest,
    *,
    run: int,
    caps: Caps,
    now: int,
) -> PermitAnswer:
    """Allow one POST and reserve its price, or say why not. Asked again, it answers the same."""
    edit, state, flying = _edit(db, request.key) or _insert(db, request.key)
    if state is EditState.SENDING and flying == request.attempt.bytes:
        return Permit(request.attempt)
    if state not in {request.expected, EditState.PENDING} or state is EditState.SENDING:
        return StateRefusal(state)
    if state is EditState.EDITED and not placements.is_lost(db, edit):
        return StateRefusal(state)
    spent = run_spending(db, run)
    cap = refusing_cap(
        caps,
        request.price,
        run=spent,
        period=budget_spending(db, caps, now // DAY_MILLISECONDS),
    )
    if cap is not None:
        return CapRefusal(cap, spent.reserved)
    db.execute(
        "UPDATE edits SET state = ?, origin = ?, attempt = ? WHERE id = ?",
        (move_edit(state, EditEvent.PERMITTED), state, request.attempt.bytes, edit),
    )
    db.execute(
        "INSERT INTO attempts (edit, id, run, sent_at, price, state) VALUES (?, ?, ?, ?, ?, ?)",
        (edit, request.attempt.bytes, run, now, request.price, AttemptState.RESERVED),
    )
    placements.want(db, edit, request.paths)
    return Permit(request.attempt)


def release(
    db: apsw.Connection,
    key: EditKey,
    attempt: AttemptId,
    kind: Kind | None = None,
) -> None:
    """Give back a permit that was not used; the attempt is forgotten.

    `kind` is why, if the edit is to remember it. A permit that was given back already is left so.
    """
    found = _flight(db, key, attempt)
    if found is None:
        return
    edit, origin = found
    _move(db, edit, EditEvent.RELEASED, origin, kind)
    db.execute("DELETE FROM attempts WHERE edit = ? AND id = ?", (edit, attempt.bytes))


def remember_kind(db: apsw.Connection, key: EditKey, kind: Kind) -> None:
    """Note why an edit was not even sent; its state stays as it is."""
    edit, state, _ = _edit(db, key) or _insert(db, key)
    if state in FIRST_ORIGINS:
        db.execute("UPDATE edits SET kind = ? WHERE id = ?", (kind, edit))


def want(db: apsw.Connection, key: EditKey, paths: Sequence[str]) -> None:
    """Note where the result of an edit is wanted, whoever sends it and whenever it is paid for."""
    edit, _, _ = _edit(db, key) or _insert(db, key)
    placements.want(db, edit, paths)


def end(db: apsw.Connection, ended: AttemptEnd, *, now: int) -> None:
    """Record how an attempt in flight ended, with its raw answer.

    An answer for an attempt that is no longer in flight is a late one: it marks its own attempt
    paid, and heals an edit that was given up for uncertain.
    """
    found = _flight(db, ended.key, ended.attempt)
    if found is not None:
        edit, origin = found
        _end_attempt(db, edit, ended, ended.event, now)
        _move(db, edit, ended.event, origin, ended.kind)
        if ended.event is EditEvent.ANSWERED:
            placements.want_all(db, edit)
    elif ended.event is EditEvent.ANSWERED:
        _end_late(db, ended, now)


def recover(db: apsw.Connection, *, now: int) -> int:
    """Make every edit that a death left in flight uncertain; how many there were."""
    dead = all_rows(
        db.execute(
            "SELECT e.id, e.origin, e.attempt FROM edits e"
            " JOIN attempts a ON a.edit = e.id AND a.id = e.attempt AND a.state = 'reserved'",
        )
    )
    for edit, origin, attempt in dead:
        db.execute(
            "UPDATE attempts SET state = ?, kind = ?, ended_at = ? WHERE edit = ? AND id = ?",
            (
                move_attempt(AttemptState.RESERVED, EditEvent.DOUBTED),
                Kind.CUT_OFF,
                now,
                edit,
                attempt,
            ),
        )
        _move(db, edit, EditEvent.DOUBTED, EditState(origin), Kind.CUT_OFF)
        if origin == EditState.EDITED and not placements.is_lost(db, edit):
            # While it was sent again, an answer to an earlier attempt came late: its result can
            # be had, and what is doubtful of this one is its money alone.
            db.execute(
                "UPDATE edits SET state = ?, kind = NULL WHERE id = ?",
                (move_edit(EditState.UNCERTAIN, EditEvent.ANSWERED_LATE), edit),
            )
    return len(dead)


def forget_raw_answers(db: apsw.Connection, run: int) -> None:
    """Drop the raw answers of a run on which nothing depends any more; doubtful ones are kept."""
    db.execute(
        "UPDATE attempts SET raw = NULL WHERE run = ? AND raw IS NOT NULL"
        " AND (state = 'unpaid' OR state = 'paid'"
        "      AND NOT EXISTS (SELECT 1 FROM placements p"
        "                      WHERE p.edit = attempts.edit AND p.state = 'waiting'))",
        (run,),
    )


def run_spending(db: apsw.Connection, run: int) -> Spending:
    """What the attempts of one run count, in micro-dollars."""
    row = db.execute(
        "SELECT reserved, paid, uncertain FROM spending WHERE scope = 'run' AND id = ?",
        (run,),
    ).fetchone()
    return Spending(*row) if row else Spending(NOTHING, NOTHING, NOTHING)


def budget_spending(db: apsw.Connection, caps: Caps, day: int) -> Spending:
    """What the attempts sent in the budget's current period count; nothing without a budget."""
    if caps.budget is None:
        return Spending(NOTHING, NOTHING, NOTHING)
    today = date.fromordinal(_EPOCH_ORDINAL + day)
    period = caps.budget.period
    row = db.execute(
        "SELECT ifnull(sum(reserved), 0), ifnull(sum(paid), 0), ifnull(sum(uncertain), 0)"
        " FROM spending WHERE scope = 'day' AND id >= ? AND id < ?",
        (
            period_start(today, period).toordinal() - _EPOCH_ORDINAL,
            period_end(today, period).toordinal() - _EPOCH_ORDINAL,
        ),
    ).fetchone()
    return Spending(*row) if row else Spending(NOTHING, NOTHING, NOTHING)


def _edit(db: apsw.Connection, key: EditKey) -> tuple[int, EditState, bytes | None] | None:
    row = db.execute("SELECT id, state, attempt FROM edits WHERE key = ?", (key,)).fetchone()
    return (row[0], EditState(row[1]), row[2]) if row else None


def _insert(db: apsw.Connection, key: EditKey) -> tuple[int, EditState, None]:
    db.execute("INSERT INTO edits (key, state) VALUES (?, ?)", (key, EditState.PENDING))
    return db.last_insert_rowid(), EditState.PENDING, None


def _flight(
    db: apsw.Connection,
    key: EditKey,
    attempt: AttemptId,
) -> tuple[int, EditState] | None:
    """The edit and its origin, if this very attempt of it is in flight."""
    row = db.execute(
        "SELECT id, origin FROM edits WHERE key = ? AND attempt = ?",
        (key, attempt.bytes),
    ).fetchone()
    return (row[0], EditState(row[1])) if row else None


def _move(
    db: apsw.Connection,
    edit: int,
    event: EditEvent,
    origin: EditState,
    kind: Kind | None,
) -> None:
    """Move an edit that is in flight. A resend that came to nothing keeps the kind that it had."""
    state = move_edit(EditState.SENDING, event, origin)
    keeps = state is origin and (origin not in FIRST_ORIGINS or kind is None)
    db.execute(
        "UPDATE edits SET state = ?, origin = NULL, attempt = NULL,"
        " kind = CASE WHEN ? THEN kind ELSE ? END WHERE id = ?",
        (state, keeps, kind, edit),
    )


def _end_attempt(
    db: apsw.Connection,
    edit: int,
    ended: AttemptEnd,
    event: EditEvent,
    now: int,
) -> None:
    row = db.execute(
        "SELECT state FROM attempts WHERE edit = ? AND id = ?",
        (edit, ended.attempt.bytes),
    ).fetchone()
    if row is None:
        raise IllegalMoveError(f"attempt {ended.attempt} of {ended.key.hex()} is not known")
    url_frame, url = (None, None) if ended.url is None else frames.keep(db, ended.url)
    db.execute(
        "UPDATE attempts SET state = ?, ended_at = ?, kind = ?, status = ?, message = ?,"
        " request_id = ?, url_frame = ?, url = ?, width = ?, height = ?, raw = ?"
        " WHERE edit = ? AND id = ?",
        (
            move_attempt(AttemptState(row[0]), event),
            now,
            ended.kind,
            ended.status,
            ended.message or None,
            frames.pack(ended.request_id) or None,
            url_frame,
            url,
            ended.width,
            ended.height,
            ended.raw or None,
            edit,
            ended.attempt.bytes,
        ),
    )


def _end_late(db: apsw.Connection, ended: AttemptEnd, now: int) -> None:
    found = _edit(db, ended.key)
    if found is None:
        raise IllegalMoveError(f"the edit {ended.key.hex()} is not known")
    edit, state, _ = found
    _end_attempt(db, edit, ended, EditEvent.ANSWERED_LATE, now)
    moved = move_edit(state, EditEvent.ANSWERED_LATE)
    if moved is not state:
        db.execute("UPDATE edits SET state = ?, kind = NULL WHERE id = ?", (moved, edit))
    if moved is EditState.SENDING:
        # Another attempt is in flight: if that comes to nothing, the edit is a paid one.
        db.execute("UPDATE edits SET origin = ? WHERE id = ?", (EditState.EDITED, edit))
    if moved in {EditState.EDITED, EditState.SENDING}:
        placements.want_all(db, edit)
