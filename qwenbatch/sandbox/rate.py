"""How many requests a second are accepted."""

from __future__ import annotations

from collections import deque
from math import floor

EARLY_SECONDS = 0.010
"""An arrival this much too early is accepted: evenly spaced clients jitter."""


class RateGate:
    """Accepts at most `rate` requests in any window of one second.

    A rate that is no whole number is kept over the window in which its whole part fits; one
    below 1 accepts one request in `1 / rate` seconds. None accepts all. Times are in seconds of
    one monotonic clock.
    """

    def __init__(self, rate: float | None) -> None:
        self._most = 0 if rate is None else max(1, floor(rate))
        self._window = 0.0 if rate is None else self._most / rate
        self._accepted: deque[float] = deque(maxlen=self._most)

    def wait(self, now: float) -> float:
        """Accepts a request at `now` and returns 0.0, or the seconds until one is accepted."""
        if self._most and len(self._accepted) == self._most:
            wait = self._accepted[0] + self._window - now
            if wait > EARLY_SECONDS:
                return wait
        self._accepted.append(now)
        return 0.0
