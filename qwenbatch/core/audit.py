"""What an audit finds: ledger against disk, ledger against itself, days against the invoice."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from qwenbatch.core.money import MicroUSD, usd
from qwenbatch.core.stops import ExitStatus
from qwenbatch.core.summary import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_LISTED = 1000
"""So many findings of one kind, and foreign files, are listed one by one; all are counted."""

WAITS_TOO_LONG = 24 * 60 * 60
"""Seconds after its answer from which on a result that still waits is a finding: a day."""


class FindingKind(StrEnum):
    """What can be found amiss, or must be held against the invoice."""

    DAMAGED = "damaged"
    """SQLite finds the ledger's file damaged."""
    MISCOUNTED = "miscounted"
    """A running total of the ledger is not the sum of its rows."""
    MISSING = "missing"
    """A saved result's file is gone."""
    ALTERED = "altered"
    """A saved result's file is not the one that was put there."""
    LEFTOVER = "leftover"
    """A temporary file that no run uses."""
    OVERDUE = "overdue"
    """A paid result waits for longer than a day."""
    UNCERTAIN = "uncertain"
    """An attempt that may have been paid."""
    PAID_AGAIN = "paid_again"
    """An edit that was paid more than once."""
    RETRIED = "retried"
    """An edit sent again after a server error: free of charge by inference only."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One of them. What does not belong to its kind is empty.

    `path` is relative to OUT, `key` the edit's in hexadecimal, `request_ids` those of its attempts
    as far as the gateway gave them, `amount` the money that is in question.
    """

    kind: FindingKind
    path: str | None = None
    key: str | None = None
    request_ids: tuple[str, ...] = ()
    amount: MicroUSD | None = None
    detail: str = ""

    def to_json(self) -> dict[str, Any]:
        """An entry of `findings` in the object that `audit --json` prints."""
        return {
            "kind": self.kind,
            "path": self.path,
            "key": self.key,
            "request_ids": list(self.request_ids),
            "amount": None if self.amount is None else usd(self.amount),
            "detail": self.detail,
        }


class DayTotals(msgspec.Struct, frozen=True, kw_only=True):
    """What was sent on one UTC day, by what is known of it now. Attempts, and money of them."""

    day: date
    attempts: int
    paid: int
    uncertain: int
    paid_amount: MicroUSD
    uncertain_amount: MicroUSD

    def to_json(self) -> dict[str, Any]:
        """An entry of `days` in the object that `audit --json` prints."""
        return {
            "day": self.day.isoformat(),
            "attempts": self.attempts,
            "paid": self.paid,
            "uncertain": self.uncertain,
            "paid_amount": usd(self.paid_amount),
            "uncertain_amount": usd(self.uncertain_amount),
        }


class Audit(msgspec.Struct):
    """What was found so far. Everything is counted; only so much of it is kept.

    `checked` counts the saved results that were looked at; `foreign` files in OUT that are not
    ours: told, and no finding. `running`: a run held the ledger meanwhile.
    """

    running: bool = False
    checked: int = 0
    counts: dict[FindingKind, int] = msgspec.field(default_factory=dict)
    listed: list[Finding] = msgspec.field(default_factory=list)
    foreign: int = 0
    foreign_listed: list[str] = msgspec.field(default_factory=list)
    days: list[DayTotals] = msgspec.field(default_factory=list)

    def add(self, findings: Iterable[Finding]) -> None:
        """Count findings, and list those for which there is room."""
        for finding in findings:
            count = self.counts.get(finding.kind, 0)
            self.counts[finding.kind] = count + 1
            if count < MOST_LISTED:
                self.listed.append(finding)

    def add_foreign(self, path: str) -> None:
        """Note a file that is not ours."""
        self.foreign += 1
        if self.foreign <= MOST_LISTED:
            self.foreign_listed.append(path)

    @property
    def exit_status(self) -> ExitStatus:
        """Findings end in another status than none."""
        return ExitStatus.UNFINISHED if self.counts else ExitStatus.SAVED

    def to_json(self) -> dict[str, Any]:
        """The object that `audit --json` prints; money is in USD."""
        return {
            "schema": SCHEMA,
            "exit_status": int(self.exit_status),
            "running": self.running,
            "checked": self.checked,
            "counts": {kind.value: self.counts.get(kind, 0) for kind in FindingKind},
            "findings": [finding.to_json() for finding in self.listed],
            "foreign": {"count": self.foreign, "files": self.foreign_listed},
            "currency": "USD",
            "days": [day.to_json() for day in self.days],
        }
