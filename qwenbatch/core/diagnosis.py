"""What a look at this machine says, line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from qwenbatch.core.stops import ExitStatus
from qwenbatch.core.summary import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Sequence


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One line: what was looked at, what it is, and what to do about it; no advice: it is ok."""

    name: str
    says: str
    advice: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing need be done."""
        return not self.advice


def diagnosis_status(checks: Sequence[Check]) -> ExitStatus:
    """Findings end in another status than none."""
    return ExitStatus.SAVED if all(check.ok for check in checks) else ExitStatus.UNFINISHED


def diagnosis_json(checks: Sequence[Check]) -> dict[str, Any]:
    """The object that `doctor --json` prints."""
    return {
        "schema": SCHEMA,
        "exit_status": int(diagnosis_status(checks)),
        "checks": [
            {
                "name": check.name,
                "ok": check.ok,
                "says": check.says,
                "advice": check.advice or None,
            }
            for check in checks
        ],
    }
