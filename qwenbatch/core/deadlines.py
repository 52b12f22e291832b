"""When a run must stop sending, so that what is in flight lands in time."""

from __future__ import annotations

from collections import deque

import msgspec

from qwenbatch.core.stops import StopReason

REMEMBERED = 50
"""How many of the last answers tell how long one takes."""


class Latency(msgspec.Struct):
    """How long answers take, by the last of them, in seconds."""

    _seen: deque[float] = msgspec.field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def saw(self, seconds: float) -> None:
        """One more answer came after so many seconds."""
        self._seen.append(seconds)

    @property
    def usual(self) -> float:
        """As long as nearly all of the last answers took; 0 before the first."""
        if not self._seen:
            return 0.0
        return sorted(self._seen)[int(len(self._seen) * 0.95)]


class Deadline(msgspec.Struct, frozen=True):
    """Ends of a run: `until` a moment of the wall clock, `ends` one of the monotonic clock."""

    until: float | None = None
    ends: float | None = None

    def passed(self, *, wall: float, monotonic: float, latency: float) -> StopReason | None:
        """Why a POST that starts at this moment would land too late; None if it would not."""
        if self.until is not None and wall + latency >= self.until:
            return StopReason.DEADLINE
        if self.ends is not None and monotonic + latency >= self.ends:
            return StopReason.DURATION
        return None
