"""The documented JSON body, in chunks, the last of which is the trigger.

An edit cannot run before its body's last chunk went out. So that chunk is held back until it is
known that the source is still what was keyed; a body without it costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Never, Protocol

import msgspec

from qwenbatch.core.items import MODEL
from qwenbatch.errors import QwenbatchError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

_HEAD = (
    b'{"model":' + msgspec.json.encode(MODEL) + b',"input":{"messages":'
    b'[{"role":"user","content":[{"image":"'
)


class ImageText(Protocol):
    """What stands between the quotes behind `"image":`, ready for JSON."""

    @property
    def length(self) -> int:
        """Its length in bytes."""

    def chunks(self) -> AsyncIterator[bytes]:
        """The text, from its beginning."""

    async def unchanged(self) -> bool:
        """Whether the source is still what was keyed, by its fstat."""


class UrlText:
    """An http(s) URL, which the service itself reads: it is always unchanged."""

    def __init__(self, url: str) -> None:
        self._text = _json_text(url)

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
    """The source changed: the body's last chunk is not given out. It never leaves the gateway."""


async def _at_once() -> None:
    """Nothing to wait for."""


class RequestBody:
    """One edit's body. Its chunks are asked for once.

    `length` is that of the whole body in bytes. `handed_over` is true from the moment at which
    the last chunk is given out: from then on the edit may run. `withheld` is true if that chunk
    was kept back because the source had changed or could not be read any more.

    Raises ValueError if a text holds lone surrogates, which no JSON can carry.
    """

    def __init__(
        self,
        *,
        image: ImageText,
        instruction: str,
        negative_prompt: str,
        watermark: bool,
    ) -> None:
        self._image = image
        parameters = {"negative_prompt": negative_prompt, "watermark": watermark}
        self._tail = b"".join(
            (
                b'"},{"text":"',
                _json_text(instruction),
                b'"}]}]},"parameters":',
                msgspec.json.encode(parameters),
                b"}",
            ),
        )
        self.length = len(_HEAD) + image.length + len(self._tail)
        self.handed_over = False
        self.withheld = False

    async def chunks(
        self,
        before_last: Callable[[], Awaitable[None]] = _at_once,
    ) -> AsyncGenerator[bytes, None]:
        """The body's chunks; `before_last` is awaited at the very last moment before the trigger.

        Raises WithheldError instead of giving out the last chunk if the source is no longer what
        was keyed: changed, unreadable, or of another length than promised.
        """
        yield _HEAD
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
        self.handed_over = True
        yield self._tail

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


def _json_text(text: str) -> bytes:
    """A text as it stands between JSON's quotes."""
    return msgspec.json.encode(text)[1:-1]
