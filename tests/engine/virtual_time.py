"""An event loop in which hours of waiting take no time: its clock leaps to the next timer."""

from __future__ import annotations

import asyncio
from selectors import DefaultSelector
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selectors import SelectorKey


class LeapingSelector(DefaultSelector):
    """Where nothing is to be read and a timer is waited for, its moment has come."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000_000.0

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        if timeout is None:
            return super().select(None)
        found = super().select(0)
        if not found:
            self.now += max(0.0, timeout)
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its time is that of its timers."""

    def __init__(self) -> None:
        self.leaping = LeapingSelector()
        super().__init__(self.leaping)

    def time(self) -> float:
        return self.leaping.now


def stand_still(seconds: float) -> None:
    """The process is stopped for so long: its loop's clock goes on meanwhile."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.leaping.now += seconds
