"""Memory that requests share, each by the size of what it reads or puts."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SHARE = 1024 * 1024
"""Bytes of a share; whatever is smaller takes a whole one."""


class Ration:
    """So many shares of memory. What is larger than all of them has them to itself."""

    def __init__(self, shares: int) -> None:
        self._shares = shares
        self._left = anyio.Semaphore(shares, fast_acquire=True)
        self._turn = anyio.Lock(fast_acquire=True)

    @asynccontextmanager
    async def of(self, size: int) -> AsyncIterator[None]:
        """Room for so many bytes, as long as this lasts."""
        held = 0
        try:
            # One after the other: two that each hold half of what they need would wait for ever.
            async with self._turn:
                for _ in range(min(self._shares, 1 + size // SHARE)):
                    await self._left.acquire()
                    held += 1
            yield
        finally:
            for _ in range(held):
                self._left.release()
