"""How a ledger stands at one moment, as values, and the JSON object that tells it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec.structs import asdict

from qwenbatch.core.money import MicroUSD, usd
from qwenbatch.core.states import EditState
from qwenbatch.core.stops import ExitStatus, StopReason
from qwenbatch.core.summary import SCHEMA, ItemCounts
from qwenbatch.core.verdicts import Kind


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A run as the ledger remembers it; times are in seconds since the epoch.

    What only a run's end tells is None where it did not end. `source` is its manifest's path.
    """

    name: str
    source: str
    started_at: float
    ended_at: float | None
    saved: int | None
    total: int | None
    attempts: int
    spent: MicroUSD
    stopped_by: StopReason | None
    exit_status: ExitStatus | None

    def to_json(self) -> dict[str, Any]:
        """An entry of `runs` in the object that `status --json` prints."""
        ended = self.ended_at
        return {
            "run": self.name,
            "source": self.source,
            "started_at": utc(self.started_at),
            "ended_at": None if ended is None else utc(ended),
            "seconds": None if ended is None else round(ended - self.started_at, 3),
            "saved": self.saved,
            "total": self.total,
            "attempts": self.attempts,
            "spent": usd(self.spent),
            "stopped_by": self.stopped_by,
            "exit_status": None if self.exit_status is None else int(self.exit_status),
        }


class Holder(msgspec.Struct, frozen=True):
    """The process that holds a ledger's lock; `since` in ISO 8601. `pid` None: it did not sign."""

    pid: int | None = None
    host: str = ""
    since: str = ""

    def __str__(self) -> str:
        """In words."""
        if self.pid is None:
            return "another process"
        return f"process {self.pid} on {self.host} since {self.since}"


class LedgerStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A ledger's counts and money.

    `items` counts the rows of every manifest as its last run saw them, and `failures` those that
    are not saved, by last kind. `to_place` counts paths that wait for a result that is paid for.
    `spent` is what the ledger ever paid, `reserved` what is in flight or was when its run died,
    `uncertain` what is not settled. `runs` are the last ones, the latest first.

    `live` holds the ledger at this moment: what is in flight then is not uncertain but under way.
    Its items, `in_flight` of them, are among those that are pending; its money is no exposure
    until its run ends without an answer to it.
    """

    id: str
    service: str
    items: ItemCounts
    failures: Mapping[Kind, int]
    edits: Mapping[EditState, int]
    to_place: int
    spent: MicroUSD
    reserved: MicroUSD
    uncertain: MicroUSD
    maybe_twice: MicroUSD
    runs: tuple[RunRecord, ...]
    live: Holder | None = None
    in_flight: int = 0

    @property
    def exposure(self) -> MicroUSD:
        """Money that may have been spent."""
        return MicroUSD(self.uncertain + (self.reserved if self.live is None else 0))

    def to_json(self) -> dict[str, Any]:
        """The object that `status --json` prints."""
        items = asdict(self.items)
        del items["reused"]  # of a run, not of a ledger
        live = self.live
        return {
            "schema": SCHEMA,
            "ledger": {"id": self.id, "service": self.service, "running": live is not None},
            "in_flight": None
            if live is None
            else {**asdict(live), "items": self.in_flight, "reserved": usd(self.reserved)},
            "items": items,
            "edits": {state.value: self.edits.get(state, 0) for state in EditState},
            "failures": {kind.value: self.failures[kind] for kind in sorted(self.failures)},
            "to_place": self.to_place,
            "cost": {
                "currency": "USD",
                "spent": usd(self.spent),
                "exposure": usd(self.exposure),
                "maybe_twice": usd(self.maybe_twice),
                "ledger_total": usd(self.spent),
            },
            "runs": [run.to_json() for run in self.runs],
        }


def utc(seconds: float) -> str:
    """A moment in ISO 8601, such as `2026-01-02T03:04:05Z`."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
