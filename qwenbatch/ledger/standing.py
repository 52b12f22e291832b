"""How the ledger stands: counts, money and the last runs, without going through every row twice."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from qwenbatch.core.money import MicroUSD
from qwenbatch.core.plan import Standing, failure_of, state_of
from qwenbatch.core.standing import LedgerStanding, RunRecord
from qwenbatch.core.states import EditState, PlacementState
from qwenbatch.core.stops import ExitStatus, StopReason
from qwenbatch.core.summary import ItemCounts
from qwenbatch.core.verdicts import Kind
from qwenbatch.ledger.database import all_rows, meta

if TYPE_CHECKING:
    import apsw

    from qwenbatch.core.standing import Holder

MOST_RUNS = 10
"""So many of the last runs are told."""


class _Items(msgspec.Struct):
    saved: int
    total: int


class _Summary(msgspec.Struct):
    items: _Items


_decode_words = msgspec.json.Decoder(list[str]).decode
_decode_summary = msgspec.json.Decoder(_Summary).decode


def has_open_run(db: apsw.Connection) -> bool:
    """Whether the latest run did not end: it is going on, or died."""
    row = db.execute("SELECT ended_at IS NULL FROM runs ORDER BY id DESC LIMIT 1").fetchone()
    return bool(row and row[0])


def read_standing(db: apsw.Connection, live: Holder | None = None) -> LedgerStanding:
    """All of it; inside one transaction it is of one moment.

    `live` is the process that holds the ledger for a run at that moment.
    """
    running = live is not None
    items, failures, in_flight = _count_items(db, running=running)
    spent, reserved, uncertain = db.execute(
        "SELECT ifnull(sum(paid), 0), ifnull(sum(reserved), 0), ifnull(sum(uncertain), 0)"
        " FROM spending WHERE scope = 'day'",
    ).get
    return LedgerStanding(
        id=meta(db, "id"),
        service=meta(db, "service"),
        items=items,
        failures=failures,
        edits={
            EditState(state): edits
            for state, edits in db.execute("SELECT state, sum(edits) FROM tally GROUP BY state")
        },
        to_place=_count_to_place(db),
        spent=MicroUSD(spent),
        reserved=MicroUSD(reserved),
        uncertain=MicroUSD(uncertain),
        maybe_twice=_maybe_twice(db, running=running),
        runs=read_runs(db, "true", {"most": MOST_RUNS}),
        live=live,
        in_flight=in_flight,
    )


def last_command(db: apsw.Connection) -> list[str]:
    """The words that start the last run again; none where the ledger does not know them."""
    return _decode_words(meta(db, "command") or "[]")


def standing_of(
    edit: str | None,
    kind: str | None,
    placement: str | None,
    *,
    running: bool = False,
) -> Standing:
    """What the ledger has on an item, from the columns of its edit and its placement.

    `running`: a run holds the ledger, so that what is being sent is in flight.
    """
    return Standing(
        edit=EditState(edit) if edit else None,
        kind=Kind(kind) if kind else None,
        placement=PlacementState(placement) if placement else None,
        flying=running and edit == EditState.SENDING,
    )


def _count_items(
    db: apsw.Connection,
    *,
    running: bool,
) -> tuple[ItemCounts, dict[Kind, int], int]:
    """Counts by state, failures by kind, and how many items are in flight."""
    in_flight = 0
    counts: Counter[str] = Counter()
    failures: Counter[Kind] = Counter()
    for invalid, edit, kind, placement, items in db.execute(
        "SELECT invalid, edit, kind, placement, items FROM standings WHERE items",
    ):
        standing = standing_of(edit, kind, placement, running=running)
        in_flight += items if standing.flying and not invalid else 0
        state = state_of(standing, invalid=bool(invalid))
        counts["total"] += items
        counts[state] += items
        failure = failure_of(standing, state)
        if failure is not None:
            failures[failure] += items
    return ItemCounts(**counts), dict(failures), in_flight


def _count_to_place(db: apsw.Connection) -> int:
    return int(
        db.execute(
            "SELECT count(*) FROM placements p JOIN edits e ON e.id = p.edit"
            " WHERE p.state = 'waiting' AND e.state = 'edited'",
        ).get,
    )


def _maybe_twice(db: apsw.Connection, *, running: bool) -> MicroUSD:
    return MicroUSD(
        db.execute(
            "SELECT ifnull(sum(total - least), 0) FROM"
            " (SELECT sum(price) AS total, min(price) AS least FROM attempts"
            "  WHERE edit IN (SELECT edit FROM repeated)"
            "  AND (state IN ('paid', 'uncertain') OR (state = 'reserved' AND NOT ?))"
            "  GROUP BY edit HAVING count(*) > 1)",
            (running,),
        ).get,
    )


def read_runs(
    db: apsw.Connection, which: str, values: dict[str, int | bool]
) -> tuple[RunRecord, ...]:
    """The last `most` runs for which an SQL condition on `runs r` holds, the latest first."""
    rows = all_rows(
        db.execute(
            "SELECT r.name, r.manifest, r.started_at, r.ended_at, r.stopped_by, r.exit_status,"  # noqa: S608 - constants of callers
            " r.summary, ifnull(s.attempts, 0), ifnull(s.paid, 0)"
            " FROM runs r LEFT JOIN spending s ON s.scope = 'run' AND s.id = r.id"
            f" WHERE {which} ORDER BY r.id DESC LIMIT :most",
            values,
        ),
    )
    return tuple(_run(*row) for row in rows)


def _run(  # noqa: PLR0917 - the columns of one query, in their order
    name: str,
    manifest: str,
    started_at: int,
    ended_at: int | None,
    stopped_by: str | None,
    exit_status: int | None,
    summary: str | None,
    attempts: int,
    paid: int,
) -> RunRecord:
    items = None if summary is None else _decode_summary(summary).items
    return RunRecord(
        name=name,
        source=manifest,
        started_at=started_at / 1000,
        ended_at=None if ended_at is None else ended_at / 1000,
        saved=items.saved if items else None,
        total=items.total if items else None,
        attempts=attempts,
        spent=MicroUSD(paid),
        stopped_by=StopReason(stopped_by) if stopped_by else None,
        exit_status=None if exit_status is None else ExitStatus(exit_status),
    )
