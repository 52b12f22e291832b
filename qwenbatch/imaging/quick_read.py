"""Reads a file in the event loop's own thread where its bytes are in memory already.

A thread costs more than the reading: so the system is asked first for what it has at hand, and
only a read that would wait for the disk is done in a thread.
"""

from __future__ import annotations

import os
import sys

import anyio.to_thread


async def read_into(descriptor: int, buffer: memoryview, offset: int) -> int:
    """Fill `buffer` with a file's bytes from `offset` on, as far as they go; how many there were.

    OSError passes through. While it waits, neither the descriptor nor the buffer may go away:
    so a cancellation is felt only once the read is over.
    """
    filled = 0
    while filled < len(buffer):
        rest = buffer[filled:]
        count = _at_hand(descriptor, rest, offset + filled)
        if count is None:
            count = await anyio.to_thread.run_sync(_read, descriptor, rest, offset + filled)
        if not count:
            break
        filled += count
    return filled


def _at_hand(descriptor: int, buffer: memoryview, offset: int) -> int | None:
    """Read what is in memory; None if that cannot be told, or nothing is."""
    if sys.platform != "linux":
        return None
    try:
        return os.preadv(descriptor, [buffer], offset, os.RWF_NOWAIT)
    except OSError:
        # Not in memory, or a file system that does not say: a thread meets whatever it is.
        return None


def _read(descriptor: int, buffer: memoryview, offset: int) -> int:
    piece = os.pread(descriptor, len(buffer), offset)
    buffer[: len(piece)] = piece
    return len(piece)
