"""What happened since a moment: runs, what they paid, what was saved and what was not."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from qwenbatch.core.money import MicroUSD
from qwenbatch.core.outcomes import ItemState
from qwenbatch.core.plan import failure_of, state_of
from qwenbatch.core.since import Since
from qwenbatch.ledger.standing import read_runs, standing_of

if TYPE_CHECKING:
    import apsw

    from qwenbatch.core.verdicts import Kind

MOST_RUNS = 200
"""So many runs are listed; the others are counted."""

_BEGAN_SINCE = (
    "r.started_at >= :since OR r.ended_at >= :since"
    " OR (:running AND r.id = (SELECT max(id) FROM runs))"
)

_TRIED = """
    SELECT e.state, e.kind, p.state, count(*)
    FROM (SELECT DISTINCT edit FROM attempts WHERE sent_at >= :since OR ended_at >= :since) tried
    JOIN edits e ON e.id = tried.edit
    JOIN items i ON i.edit = e.id AND i.fault IS NULL
    LEFT JOIN placements p ON p.edit = e.id AND p.path = i.path
    GROUP BY 1, 2, 3
"""

_SAVED = """
    SELECT count(*)
    FROM placements p JOIN edits e ON e.id = p.edit AND e.state = 'edited'
    JOIN items i ON i.edit = e.id AND i.path = p.path AND i.fault IS NULL
    WHERE p.state = 'saved' AND p.mtime >= :since * 1000000
"""

_MONEY = """
    SELECT count(*), ifnull(sum(state = 'paid'), 0), ifnull(sum(price * (state = 'paid')), 0),
           ifnull(sum(price * (state = 'uncertain' OR (state = 'reserved' AND NOT :running))), 0)
    FROM attempts WHERE sent_at >= :since
"""


def read_since(db: apsw.Connection, moment: float, *, running: bool = False) -> Since:
    """What happened since a moment, in seconds since the epoch; `running`: a run holds the ledger.

    It goes through all attempts and placements; inside one transaction it is of one moment.
    """
    asked = {"since": int(moment * 1000), "running": running}
    runs = read_runs(db, _BEGAN_SINCE, {**asked, "most": MOST_RUNS})
    all_runs = db.execute(f"SELECT count(*) FROM runs r WHERE {_BEGAN_SINCE}", asked).get  # noqa: S608 - a constant
    items, failures = _count_tried(db, asked, running=running)
    attempts, paid, spent, exposure = db.execute(_MONEY, asked).get
    return Since(
        moment=moment,
        runs=runs,
        more_runs=all_runs - len(runs),
        saved=db.execute(_SAVED, {"since": asked["since"]}).get,
        failed=items[ItemState.FAILED],
        uncertain=items[ItemState.UNCERTAIN],
        lost=items[ItemState.LOST],
        pending=items[ItemState.PENDING],
        failures=failures,
        attempts=attempts,
        paid=paid,
        spent=MicroUSD(spent),
        exposure=MicroUSD(exposure),
    )


def _count_tried(
    db: apsw.Connection, asked: dict[str, int | bool], *, running: bool
) -> tuple[Counter[ItemState], dict[Kind, int]]:
    """Items for whose edit an attempt was sent or ended since, by how they stand now."""
    items: Counter[ItemState] = Counter()
    failures: Counter[Kind] = Counter()
    for edit, kind, placement, count in db.execute(_TRIED, {"since": asked["since"]}):
        standing = standing_of(edit, kind, placement, running=running)
        state = state_of(standing, invalid=False)
        items[state] += count
        failure = failure_of(standing, state)
        if failure is not None:
            failures[failure] += count
    return items, dict(failures)
