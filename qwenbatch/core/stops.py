"""Why a run stops early, and what its exit status says."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from qwenbatch.core.verdicts import BREAKING, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qwenbatch.core.summary import ItemCounts

BREAKER_LIMIT = 10
"""So many attempts in a row that end in a breaking kind stop the run."""

MOST_PATIENCE = 30 * 60.0
"""Seconds without one acceptance after which a throttled run stops."""

MOST_RETRY_AFTER = 15 * 60.0
"""A longer `Retry-After`, in seconds, stops the run instead of holding it."""


class StopReason(StrEnum):
    """Why a run stopped before its work was done."""

    DENIED = "denied"
    EXHAUSTED = "exhausted"
    MISADDRESSED = "misaddressed"
    THROTTLED = "throttled"
    BREAKER = "breaker"
    UNFETCHED = "unfetched"
    MAX_COST = "max_cost"
    BUDGET = "budget"
    DEADLINE = "deadline"
    DURATION = "duration"
    DISK = "disk"
    DECLINED = "declined"
    CANARY = "canary"
    INTERRUPTED = "interrupted"
    TERMINATED = "terminated"


class ExitStatus(IntEnum):
    """What the process returns; the README's table is checked against the docstrings."""

    SAVED = 0
    """every item is saved"""
    DEFECT = 1
    """a defect of the program itself"""
    USAGE = 2
    """usage, configuration, a manifest that cannot be read, a ledger of another service"""
    UNFINISHED = 3
    """finished; some items failed, are invalid, lost or still pending; declined; a failed canary;
    findings of audit or doctor"""
    UNCERTAIN = 4
    """finished; some edits are uncertain"""
    CAP = 5
    """stopped: a cap"""
    TIME = 6
    """stopped: deadline or duration"""
    GATEWAY = 7
    """stopped: denied, exhausted, misaddressed or throttled"""
    BREAKER = 8
    """stopped: the breaker, or results that cannot be fetched"""
    DISK = 9
    """stopped: the disk is full or cannot be written"""
    BUSY = 10
    """another run holds the ledger"""
    INTERRUPTED = 130
    """interrupted"""
    TERMINATED = 143
    """terminated"""


STOP_STATUS: Mapping[StopReason, ExitStatus] = MappingProxyType(
    {
        StopReason.DENIED: ExitStatus.GATEWAY,
        StopReason.EXHAUSTED: ExitStatus.GATEWAY,
        StopReason.MISADDRESSED: ExitStatus.GATEWAY,
        StopReason.THROTTLED: ExitStatus.GATEWAY,
        StopReason.BREAKER: ExitStatus.BREAKER,
        StopReason.UNFETCHED: ExitStatus.BREAKER,
        StopReason.MAX_COST: ExitStatus.CAP,
        StopReason.BUDGET: ExitStatus.CAP,
        StopReason.DEADLINE: ExitStatus.TIME,
        StopReason.DURATION: ExitStatus.TIME,
        StopReason.DISK: ExitStatus.DISK,
        StopReason.DECLINED: ExitStatus.UNFINISHED,
        StopReason.CANARY: ExitStatus.UNFINISHED,
        StopReason.INTERRUPTED: ExitStatus.INTERRUPTED,
        StopReason.TERMINATED: ExitStatus.TERMINATED,
    },
)

HALTS: Mapping[Kind, StopReason] = MappingProxyType(
    {
        Kind.DENIED: StopReason.DENIED,
        Kind.EXHAUSTED: StopReason.EXHAUSTED,
        Kind.MISADDRESSED: StopReason.MISADDRESSED,
    },
)
"""The stop that each halting kind causes."""


def exit_status(stop: StopReason | None, counts: ItemCounts) -> ExitStatus:
    """The first stop reason wins over 3 and 4; 4 wins over 3."""
    if stop is not None:
        return STOP_STATUS[stop]
    if counts.uncertain:
        return ExitStatus.UNCERTAIN
    if counts.saved < counts.total:
        return ExitStatus.UNFINISHED
    return ExitStatus.SAVED


class Breaker(msgspec.Struct, frozen=True):
    """Counts attempts, as they are recorded, that end in a breaking kind without a break."""

    row: int = 0

    def after(self, kind: Kind | None) -> Breaker:
        """The breaker after one more attempt ended so; throttles leave it as it is."""
        if kind is Kind.THROTTLED:
            return self
        return Breaker(self.row + 1) if kind in BREAKING else Breaker()

    @property
    def open(self) -> bool:
        """Whether the run should stop."""
        return self.row >= BREAKER_LIMIT
