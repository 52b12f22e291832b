"""What is to be started, when, and with what: plain values, made by the composition root."""

from __future__ import annotations

from datetime import time
from pathlib import Path

import msgspec

DRAIN_MARGIN = 180
"""Seconds beyond the gateway's time-out in which results are fetched and the summary is written."""

MOST_DELAY = 300
"""Seconds by which a start may be put off, so that not everybody knocks at the full hour."""

DAY_MINUTES = 24 * 60


class ScheduledJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job file that is run every day.

    All paths are absolute. `program` is the command with the words before its own arguments;
    `writes` are the folders that the run writes to. `key_file` is None where no key is needed.
    `timeout` is how long the gateway is waited for, in seconds. `at` and `until` are local times
    of day; `until` None: the run may take as long as it takes.
    """

    name: str
    file: Path
    program: tuple[str, ...]
    writes: tuple[Path, ...]
    key_file: Path | None
    timeout: float
    at: time
    until: time | None

    @property
    def command(self) -> tuple[str, ...]:
        """The words of the command: no question is asked, and a start out of hours sends none."""
        words = (*self.program, "run", str(self.file), "--yes")
        if self.until is None:
            return words
        return (*words, "--at", f"{self.at:%H:%M}", "--until", f"{self.until:%H:%M}")

    @property
    def drain(self) -> int:
        """Seconds that a run which is told to stop may need until everything has landed."""
        return int(self.timeout) + DRAIN_MARGIN

    @property
    def delay(self) -> int:
        """Seconds by which a start may be put off at random: a tenth of the window at most."""
        if self.until is None:
            return MOST_DELAY
        minutes = (_minutes(self.until) - _minutes(self.at)) % DAY_MINUTES or DAY_MINUTES
        return min(MOST_DELAY, minutes * 60 // 10)


def _minutes(moment: time) -> int:
    return moment.hour * 60 + moment.minute
