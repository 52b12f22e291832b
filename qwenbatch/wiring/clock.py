"""The machine's clocks."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class SystemClock:
    """Time as the machine tells it."""

    def monotonic(self) -> float:
        """Seconds that never jump."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since the epoch."""
        return time.time()


def local_now() -> datetime:
    """Now, in the zone of the person who looks."""
    return datetime.fromtimestamp(SystemClock().wall(), UTC).astimezone()
