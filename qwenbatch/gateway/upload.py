"""A request's body on its way through aiohttp: what moves the deadline, and who hears of failures.

A failure to write is never the end of an exchange: the reading side tells that. So this payload
raises nothing; where it cannot go on it waits to be cancelled, as aiohttp does to it as soon as
the answer is whole or the connection is gone.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Never

import anyio
from aiohttp import Payload

from qwenbatch.gateway.body import WithheldError
from qwenbatch.gateway.patient_socket import is_connected

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.abc import AbstractStreamWriter

    from qwenbatch.gateway.body import RequestBody

_TURNS = 2

STRIDE = 512 * 1024
"""Bytes after which the event loop's other tasks have their turn, however fast the network is."""


class Upload(Payload):
    """Sends a body once. `on_progress` is called when it starts and at its last chunk.

    `defect` is what the body raised that was no fault of the network: it is the caller's to raise.
    """

    _autoclose = True

    def __init__(self, body: RequestBody, *, on_progress: Callable[[], None]) -> None:
        super().__init__(body, content_type=body.content_type)
        self._size = body.length
        self._body = body
        self._on_progress = on_progress
        self._transport: asyncio.WriteTransport | None = None
        self._ended: anyio.Event | None = None
        self.defect: Exception | None = None

    @property
    def started(self) -> bool:
        """Whether there was a connection on which to send."""
        return self._ended is not None

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Not to be had: the body is read once, in chunks."""
        raise TypeError(f"a body on its way is no text ({encoding}, {errors})")

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send the whole body."""
        await self.write_with_length(writer, None)

    async def write_with_length(
        self,
        writer: AbstractStreamWriter,
        content_length: int | None,
    ) -> None:
        """Send the whole body, whose length was told beforehand."""
        del content_length
        self._ended = anyio.Event()
        self._transport = writer.transport
        self._on_progress()
        try:
            await self._send(writer)
        except WithheldError:
            self.abort()
            await _until_cancelled()
        except Exception as error:  # noqa: BLE001 - handed to the caller, who raises it
            self.defect = error
            self.abort()
            await _until_cancelled()
        finally:
            self._ended.set()

    @property
    def has_ended(self) -> bool:
        """Whether the body is no longer read from, or never was."""
        return self._ended is None or self._ended.is_set()

    async def wait_ended(self) -> None:
        """Wait until the body is no longer read from."""
        if self._ended is not None:
            await self._ended.wait()

    def abort(self) -> None:
        """Break the connection off, with whatever is still to be sent."""
        if self._transport is not None:
            self._transport.abort()

    async def _send(self, writer: AbstractStreamWriter) -> None:
        stride = 0
        async with aclosing(self._body.chunks(self._before_last)) as chunks:
            async for chunk in chunks:
                if self._body.handed_over:
                    self._on_progress()
                try:
                    await writer.write(chunk)
                except OSError:
                    await _until_cancelled()
                stride += len(chunk)
                if stride >= STRIDE:
                    stride = 0
                    await asyncio.sleep(0)

    async def _before_last(self) -> None:
        """Let the loop hear what the server has said: who has left gets no trigger."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        if not is_connected(self._transport):
            await _until_cancelled()


async def _until_cancelled() -> Never:
    await anyio.sleep_forever()
    raise AssertionError("unreachable")
