"""A request's body, in chunks, the last of which is the trigger.

An edit cannot run before its body's last chunk went out. So that chunk is held back until it is
known that the source is still what was keyed; a body without it costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Never, Protocol

import msgspec

from qwenbatch.errors import QwenbatchError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

    from qwenbatch.gateway.door import Frame


class Image(Protocol):
    """A picture as it stands in a body: the bytes of a file, or text that is ready for JSON."""

    @property
    def media_type(self) -> str:
        """Its MIME type; empty for a URL."""

    @property
    def length(self) -> int:
        """Its length in bytes."""

    def chunks(self) -> AsyncIterator[bytes]:
        """It, from its beginning."""

    async def unchanged(self) -> bool:
        """Whether the source is still what was keyed, by its fstat."""


class UrlText:
    """An http(s) URL, which the service itself reads: it is always unchanged."""

    media_type = ""

    def __init__(self, url: str) -> None:
        self._text = msgspec.json.encode(url)[1:-1]

    @property
    def length(self) -> int:
        """Its length in bytes."""
        return len(self._text)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The whole URL at once."""
        yield self._text

    async def unchanged(self) -> bool:
        """Always true."""
        return True


class WithheldError(Exception):
    """The body's last chunk is not given out. It never leaves the gateway."""


async def _at_once() -> None:
    """Nothing to wait for."""


def _always() -> bool:
    """Nobody takes the leave to send back."""
    return True


class RequestBody:
    """One edit's body. Its chunks are asked for once.

    `length` is that of the whole body in bytes. `handed_over` is true from the moment at which
    the last chunk is given out: from then on the edit may run. `withheld` is true if that chunk
    was kept back because the source had changed or could not be read any more, or because
    `may_go`, asked last of all, said no: then `barred` is true as well.
    """

    def __init__(self, image: Image, frame: Frame, *, may_go: Callable[[], bool] = _always) -> None:
        self._image = image
        self._frame = frame
        self._may_go = may_go
        self.content_type = frame.content_type
        self.length = len(frame.head) + image.length + len(frame.tail)
        self.handed_over = False
        self.withheld = False
        self.barred = False

    async def chunks(
        self,
        before_last: Callable[[], Awaitable[None]] = _at_once,
    ) -> AsyncGenerator[bytes, None]:
        """The body's chunks; `before_last` is awaited at the very last moment before the trigger.

        Raises WithheldError instead of giving out the last chunk if the source is no longer what
        was keyed: changed, unreadable, or of another length than promised; or if it may not go.
        """
        yield self._frame.head
        left = self._image.length
        pieces = self._image.chunks()
        try:
            while (piece := await self._next(pieces)) is not None:
                left -= len(piece)
                if left < 0:
                    break
                yield piece
        finally:
            if (close := getattr(pieces, "aclose", None)) is not None:
                await close()
        if left != 0 or not await self._unchanged():
            self._withhold()
        await before_last()
        if not self._may_go():
            self.barred = True
            self._withhold()
        self.handed_over = True
        yield self._frame.tail

    async def _next(self, pieces: AsyncIterator[bytes]) -> bytes | None:
        try:
            return await anext(pieces, None)
        except (OSError, QwenbatchError):
            self._withhold()

    async def _unchanged(self) -> bool:
        try:
            return await self._image.unchanged()
        except (OSError, QwenbatchError):
            return False

    def _withhold(self) -> Never:
        self.withheld = True
        raise WithheldError
