"""How many a second, lately and overall, in bounded memory."""

from __future__ import annotations

from collections import deque

WINDOW = 60.0
"""Seconds that "lately" looks back."""

_LEAST = 1.0


class Speed:
    """Counts what happens, a bucket a second; at most a window's buckets are held.

    Times are those of one monotonic clock, in seconds. It counts from the first `start`, or else
    from the first `add`.
    """

    def __init__(self) -> None:
        self.total = 0
        self._since: float | None = None
        self._buckets: deque[tuple[int, int]] = deque(maxlen=int(WINDOW) + 1)

    def start(self, now: float) -> None:
        """What is counted can happen from now on; only the first start counts."""
        if self._since is None:
            self._since = now

    def add(self, now: float, number: int = 1) -> None:
        """So many more happened."""
        self.start(now)
        self.total += number
        second = int(now)
        if self._buckets and self._buckets[-1][0] >= second:
            last, before = self._buckets.pop()
            self._buckets.append((last, before + number))
        else:
            self._buckets.append((second, number))

    def recent(self, now: float) -> float:
        """So many a second in the last minute, or since the start if that is less."""
        number = sum(count for second, count in self._buckets if second > now - WINDOW)
        return number / min(self._age(now), WINDOW)

    def overall(self, now: float) -> float:
        """So many a second since the start."""
        return self.total / self._age(now)

    def expected(self, now: float) -> float:
        """The best guess for what comes: the recent speed, or the overall one after a pause."""
        return self.recent(now) or self.overall(now)

    def _age(self, now: float) -> float:
        return _LEAST if self._since is None else max(now - self._since, _LEAST)
