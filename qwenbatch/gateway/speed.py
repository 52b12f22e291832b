"""The least speed of a download: so many bytes in each window of time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import anyio


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


class SpeedWatch:
    """Cancels a scope when a window ends with too few bytes in it; `end` it in any case.

    One timer for a whole download: it goes off where the window would have ended when it was set,
    and looks where it ends by now. The window's times are the event loop's.
    """

    def __init__(self, window: SpeedWindow, scope: anyio.CancelScope) -> None:
        self._window = window
        self._scope = scope
        self._loop = asyncio.get_running_loop()
        self._paused_at: float | None = None
        self._timer = self._loop.call_at(window.ends_at, self._look)

    def add(self, count: int) -> None:
        """So many bytes came."""
        self._window.add(count)

    def pause(self) -> None:
        """What is done from now on takes time that is not the sender's."""
        self._paused_at = self._loop.time()

    def go_on(self) -> None:
        """It is the sender's time again."""
        if self._paused_at is not None:
            self._window.pause(self._loop.time() - self._paused_at)
            self._paused_at = None

    def end(self) -> None:
        """Cancel nothing any more."""
        self._timer.cancel()

    def _look(self) -> None:
        now = self._loop.time()
        if self._paused_at is not None:
            self._timer = self._loop.call_at(now + self._window.seconds, self._look)
        elif self._window.is_too_slow(now):
            self._scope.cancel()
        else:
            self._timer = self._loop.call_at(self._window.ends_at, self._look)
