"""Who of a fleet's workers is there: a line to each that holds a lease, and why others are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from qwenbatch.errors import UsageError
from qwenbatch.fleet.lines import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

    from qwenbatch.errors import QwenbatchError
    from qwenbatch.fleet.ports import Governor

LOOK = 0.5
"""Seconds between two looks at whether anybody waits for nothing."""

FIRST_WORKER = 120.0
"""Seconds after which a fleet without any worker is no fleet."""


class Muster:
    """The lines to a fleet's workers, by their fences."""

    def __init__(self, governor: Governor, monotonic: Callable[[], float]) -> None:
        self._governor = governor
        self._now = monotonic
        self._lines: dict[int, Line] = {}
        self._came = anyio.Event()
        self._refusal: QwenbatchError | None = None
        self._deserted_at: float | None = None

    def __len__(self) -> int:
        """How many workers are there."""
        return len(self._lines)

    def __iter__(self) -> Iterator[Line]:
        """Their lines."""
        return iter(self._lines.values())

    def line(self, fence: int) -> Line | None:
        """The line to the worker with this lease, if that holds."""
        return self._lines.get(fence)

    def admit(self, fence: int) -> None:
        """A worker has a new lease."""
        self._lines[fence] = Line(fence)
        self._came.set()

    def refuse(self, refusal: QwenbatchError) -> None:
        """A worker came that cannot work, and will not come again."""
        self._refusal = self._refusal or refusal
        self._came.set()

    def keep(self, fences: Container[int]) -> None:
        """Of all that are there, those with these leases alone are there still."""
        self._lines = {fence: line for fence, line in self._lines.items() if fence in fences}

    def wake(self) -> None:
        """Let every worker hear how things stand."""
        for line in self:
            line.wake()

    async def assembled(self, workers: int, seconds: float) -> None:
        """Wait for so many workers, some seconds at the most; for the first one somewhat longer.

        Raises UsageError if there is none, or as soon as one says that it cannot work.
        """
        with anyio.move_on_after(seconds):
            await self._until_there_are(workers)
        with anyio.move_on_after(FIRST_WORKER):
            await self._until_there_are(1)
        if not self._lines and not self._governor.stopping:
            raise UsageError(
                "the fleet has no worker",
                "start machines that lend it a CPU: ray start --address=…",
            )

    async def _until_there_are(self, workers: int) -> None:
        while len(self._lines) < workers and self._refusal is None and not self._governor.stopping:
            self._came = anyio.Event()
            with anyio.move_on_after(LOOK):
                await self._came.wait()
        if self._refusal is not None:
            raise self._refusal

    def look(self) -> None:
        """Raise why a worker was refused, once there has long been no other: nobody will come.

        Without a refusal, machines may join yet.
        """
        if self._lines or self._refusal is None or self._governor.stopping:
            self._deserted_at = None
        elif self._deserted_at is None:
            self._deserted_at = self._now()
        elif self._now() - self._deserted_at > FIRST_WORKER:
            raise self._refusal
