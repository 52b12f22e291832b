"""What a run, or the ledger, comes to: counts, money, and the JSON object that tells them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import asdict

from qwenbatch.core.money import NOTHING, MicroUSD, usd
from qwenbatch.core.stops import ExitStatus, StopReason

SCHEMA = 1
"""The version of the JSON object."""


class ItemCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Every item of a manifest is in exactly one count, but `reused`, which is part of `saved`."""

    total: int = 0
    saved: int = 0
    reused: int = 0
    failed: int = 0
    invalid: int = 0
    uncertain: int = 0
    lost: int = 0
    pending: int = 0


class EditCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What this run sent: attempts (permits used), and how many of them were paid."""

    attempts: int = 0
    paid: int = 0


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """Money. `spent` is this run's; `exposure` and `maybe_twice` this manifest's edits'."""

    spent: MicroUSD = NOTHING
    exposure: MicroUSD = NOTHING
    maybe_twice: MicroUSD = NOTHING
    ledger_total: MicroUSD = NOTHING


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What a run would send and cost; `left` is what the caps leave, None without a cap."""

    edits: int
    cost: MicroUSD
    left: MicroUSD | None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """How a run, or a check, ended."""

    run: str
    stopped_by: StopReason | None
    exit_status: ExitStatus
    items: ItemCounts
    edits: EditCounts
    cost: Cost
    failures: Mapping[str, int] = msgspec.field(default_factory=dict)
    seconds: float = 0.0
    estimate: Estimate | None = None

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints; its keys are fixed."""
        plain: dict[str, Any] = {
            "schema": SCHEMA,
            "run": self.run,
            "stopped_by": self.stopped_by,
            "exit_status": int(self.exit_status),
            "items": asdict(self.items),
            "edits": asdict(self.edits),
            "cost": {
                "currency": "USD",
                "spent": usd(self.cost.spent),
                "exposure": usd(self.cost.exposure),
                "maybe_twice": usd(self.cost.maybe_twice),
                "ledger_total": usd(self.cost.ledger_total),
            },
            "failures": dict(sorted(self.failures.items())),
            "seconds": round(self.seconds, 3),
        }
        if self.estimate is not None:
            left = self.estimate.left
            plain["estimate"] = {
                "edits": self.estimate.edits,
                "cost": usd(self.estimate.cost),
                "left": None if left is None else usd(left),
            }
        return plain
