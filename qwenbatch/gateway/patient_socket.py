"""A socket whose writes fail in silence, so that an answer behind a failed write is still read.

A server may answer before it has read the whole body (401, 413), and close. The rest of the body
then meets a reset; an event loop that hears of it closes the connection at once, unread answer
and all. Here the reading side alone tells the end: it gives what the server said, then the close.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import BaseTransport

    from _typeshed import ReadableBuffer
    from aiohttp import AddrInfoType


class PatientSocket(socket.socket):
    """Swallows what is sent after the peer has reset the connection."""

    def send(self, data: ReadableBuffer, flags: int = 0, /) -> int:
        """Bytes taken; all of them once the peer is gone."""
        try:
            return super().send(data, flags)
        except (BrokenPipeError, ConnectionResetError, ConnectionAbortedError):
            return memoryview(data).nbytes

    def sendmsg(self, buffers, *rest) -> int:  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN002 - passed on as they are
        """Bytes taken of all buffers together; Python 3.12's event loop sends so."""
        pieces = list(buffers)
        try:
            return super().sendmsg(pieces, *rest)
        except (BrokenPipeError, ConnectionResetError, ConnectionAbortedError):
            return sum(memoryview(piece).nbytes for piece in pieces)


def patient_socket(address: AddrInfoType) -> socket.socket:
    """A socket for aiohttp's connector."""
    family, kind, protocol, _, _ = address
    return PatientSocket(family, kind, protocol)


def is_connected(transport: BaseTransport | None) -> bool:
    """Whether a connection still stands, also as the kernel sees it: a reset ends it there first.

    A peer that has only finished speaking still counts as connected.
    """
    if transport is None or transport.is_closing():
        return False
    connection = transport.get_extra_info("socket")
    if connection is None:
        return True
    try:
        connection.getpeername()
    except OSError:
        return False
    return True
