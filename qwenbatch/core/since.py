"""What happened in a ledger since a moment, as values, and the JSON object that tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from qwenbatch.core.money import MicroUSD, usd
from qwenbatch.core.standing import RunRecord, utc
from qwenbatch.core.verdicts import Kind


class Since(msgspec.Struct, frozen=True, kw_only=True):
    """What happened since a moment, in seconds since the epoch.

    `runs` began, ended or were going on since then, the latest first; `more_runs` are not listed.
    `saved` counts items whose result's file was written since. The other counts, and `failures`,
    are of items that are not saved, for whose edit an attempt was sent or ended since: how they
    stand now. Attempts and money are of what was sent since, by what is known of it now;
    `exposure` is of those that are uncertain.
    """

    moment: float
    runs: tuple[RunRecord, ...]
    more_runs: int
    saved: int
    failed: int
    uncertain: int
    lost: int
    pending: int
    failures: Mapping[Kind, int]
    attempts: int
    paid: int
    spent: MicroUSD
    exposure: MicroUSD

    def to_json(self) -> dict[str, Any]:
        """The object under `since` that `status --since --json` prints."""
        return {
            "moment": utc(self.moment),
            "runs": [run.to_json() for run in self.runs],
            "more_runs": self.more_runs,
            "items": {
                "saved": self.saved,
                "failed": self.failed,
                "uncertain": self.uncertain,
                "lost": self.lost,
                "pending": self.pending,
            },
            "failures": {kind.value: self.failures[kind] for kind in sorted(self.failures)},
            "edits": {"attempts": self.attempts, "paid": self.paid},
            "cost": {
                "currency": "USD",
                "spent": usd(self.spent),
                "exposure": usd(self.exposure),
            },
        }
