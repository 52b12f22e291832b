"""A run that goes on in another process: the same number, caps and attempts in flight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from qwenbatch.core.attempts import AttemptId
from qwenbatch.core.keys import EditKey
from qwenbatch.core.stops import StopReason
from qwenbatch.ledger import intake
from qwenbatch.ledger.database import all_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    import apsw

    from qwenbatch.ledger.spool import Spooled


class Resumed(msgspec.Struct, frozen=True):
    """A run as its earlier life left it: what it had in flight, and why it had stopped, if so."""

    number: int
    flying: Mapping[AttemptId, EditKey]
    stopped_by: StopReason | None


def resume(db: apsw.Connection, name: str, *, spooled: Iterable[Spooled]) -> Resumed | None:
    """Go on with a run; None if the ledger does not know it.

    What is in flight stays so: its workers may be alive, and whoever resumes says how long that
    is believed.
    """
    row = db.execute("SELECT id, stopped_by FROM runs WHERE name = ?", (name,)).fetchone()
    if row is None:
        return None
    for record in spooled:
        intake.take_in(db, record)
    flying = all_rows(db.execute("SELECT attempt, key FROM edits WHERE state = 'sending'"))
    return Resumed(
        number=row[0],
        flying={AttemptId(UUID(bytes=attempt)): key for attempt, key in flying},
        stopped_by=None if row[1] is None else StopReason(row[1]),
    )


def next_fence(db: apsw.Connection) -> int:
    """A number that is higher than any that this ledger ever gave."""
    row = db.execute("SELECT value FROM meta WHERE name = 'fence'").fetchone()
    fence = (int(row[0]) if row else 0) + 1
    db.execute("INSERT OR REPLACE INTO meta VALUES ('fence', ?)", (str(fence),))
    return fence
