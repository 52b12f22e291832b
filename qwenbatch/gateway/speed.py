"""The least speed of a download: so many bytes in each window of time."""

from __future__ import annotations


class SpeedWindow:
    """Counts bytes window by window. Times are in seconds of any clock that does not jump."""

    def __init__(self, seconds: float, least: int, *, started: float) -> None:
        self.seconds = seconds
        self.least = least
        self.ends_at = started + seconds
        self._received = 0

    def add(self, count: int) -> None:
        """So many bytes came."""
        self._received += count

    def pause(self, seconds: float) -> None:
        """This time was not the sender's: it does not count."""
        self.ends_at += seconds

    def is_too_slow(self, now: float) -> bool:
        """Whether a window has ended with too few bytes; one with enough begins the next."""
        if now < self.ends_at:
            return False
        if self._received < self.least:
            return True
        self._received = 0
        self.ends_at = now + self.seconds
        return False
