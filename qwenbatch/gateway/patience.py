"""A time-out that counts only the time in which this program ran."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import anyio

TICK = 1.0
"""Seconds between two looks at the clock; also what is granted to read what came meanwhile."""

LATENESS = 1.0
"""Seconds by which a look may be late, before it is held that the program stood still."""


class Patience:
    """Cancels a scope after so many seconds.

    A program that was stopped or frozen finds that all its time is over when it goes on, and
    beside it the answer, paid for and unread. So time in which it stood still does not count,
    and the first time that it did so it gets a moment to read.
    """

    def __init__(self, scope: anyio.CancelScope, seconds: float) -> None:
        self._scope = scope
        self._loop = asyncio.get_running_loop()
        self._stood_still = False
        self._left = seconds
        self._look: asyncio.TimerHandle | None = None
        self._plan()

    def grant(self, seconds: float) -> None:
        """From now on, so many seconds; nothing if the scope is cancelled already."""
        if self._look is not None:
            self.end()
            self._left = seconds
            self._plan()

    def end(self) -> None:
        """Cancel nothing any more."""
        if self._look is not None:
            self._look.cancel()
            self._look = None

    def _plan(self) -> None:
        self._nap = min(self._left, TICK)
        self._due = self._loop.time() + self._nap
        self._look = self._loop.call_at(self._due, self._tick)

    def _tick(self) -> None:
        late = self._loop.time() - self._due
        if late <= LATENESS:
            self._left -= self._nap + late
        else:
            self._left -= self._nap
            if not self._stood_still:
                self._stood_still, self._left = True, max(self._left, TICK)
        if self._left > 0:
            self._plan()
        else:
            self._look = None
            self._scope.cancel()
