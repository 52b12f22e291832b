"""The reasons to stop that a process is given from outside: its signals."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio

from qwenbatch.core.stops import StopReason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@contextmanager
def signals() -> Iterator[AsyncIterator[StopReason]]:
    """The reasons to stop that signals give; the main thread's loop alone can hear them."""
    before = {number: signal.getsignal(number) for number in _heeded()}
    try:
        with anyio.open_signal_receiver(*before) as arrived:
            yield (
                StopReason.INTERRUPTED if number == signal.SIGINT else StopReason.TERMINATED
                async for number in arrived
            )
    finally:
        # The loop leaves Python's own behind, which end the process by the signal.
        for number, handler in before.items():
            signal.signal(number, handler)


def _heeded() -> list[signal.Signals]:
    """The signals that stop a run, but those that it is to ignore: nohup starts it so."""
    wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    return [number for number in wanted if signal.getsignal(number) is not signal.SIG_IGN]
