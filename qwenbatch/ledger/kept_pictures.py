"""What the ledger knows of pictures that came within their answers and are kept beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwenbatch.core.attempts import AttemptEnd
from qwenbatch.core.states import AttemptState, EditEvent
from qwenbatch.ledger.spool import SpooledEnd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import apsw

    from qwenbatch.core.attempts import AttemptId
    from qwenbatch.core.keys import EditKey
    from qwenbatch.core.money import MicroUSD
    from qwenbatch.ledger.spool import Spooled

    Named = tuple[EditKey, AttemptId]


def with_unheard(
    db: apsw.Connection,
    spooled: Iterable[Spooled],
    found: Iterable[Named],
    *,
    url_of: Callable[[AttemptId], str],
    price: MicroUSD | None,
    now: int,
) -> list[Spooled]:
    """What is spooled, and the answers of which neither that nor the ledger tells yet.

    `price` is that of attempts that the ledger does not know at all, if anybody knows it. They are
    taken in as what is spooled, which tells more of an answer than its picture does.
    """
    records = list(spooled)
    told = {
        (record.ended.key, record.ended.attempt)
        for record in records
        if isinstance(record, SpooledEnd) and record.ended.event is EditEvent.ANSWERED
    }
    unheard = [
        SpooledEnd(
            AttemptEnd(key=key, attempt=attempt, event=EditEvent.ANSWERED, url=url_of(attempt)),
            now,
            price,
        )
        for key, attempt in found
        if (key, attempt) not in told and not _is_recorded(db, key, attempt)
    ]
    return [*records, *unheard]


def placed(db: apsw.Connection, found: Iterable[Named]) -> list[Named]:
    """Those of these pictures for which nothing waits any more."""
    return [(key, attempt) for key, attempt in found if _is_placed(db, key, attempt)]


def _is_recorded(db: apsw.Connection, key: EditKey, attempt: AttemptId) -> bool:
    return bool(
        db.execute(
            "SELECT EXISTS (SELECT 1 FROM attempts a JOIN edits e ON e.id = a.edit"
            " WHERE e.key = ? AND a.id = ? AND a.state = ? AND a.url IS NOT NULL)",
            (key, attempt.bytes, AttemptState.PAID),
        ).get,
    )


def _is_placed(db: apsw.Connection, key: EditKey, attempt: AttemptId) -> bool:
    """Whether an attempt is recorded as paid, and every placement of its edit has an end.

    An edit without any placement is one that a rebuilt ledger has just been told of: where its
    picture goes is known once there is a plan.
    """
    wanted, waiting = db.execute(
        "SELECT count(*), ifnull(sum(p.state = 'waiting'), 0)"
        " FROM placements p JOIN edits e ON e.id = p.edit WHERE e.key = ?",
        (key,),
    ).get
    return _is_recorded(db, key, attempt) and wanted > 0 and waiting == 0
