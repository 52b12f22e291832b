"""A file read piece by piece through a small window: the memory that a walk takes is bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, Final

from qwenbatch.errors import PictureError

if TYPE_CHECKING:
    from struct import Struct

SPAN: Final = 64 * 1024
"""The bytes that small reads fetch at once."""

STRETCH: Final = 256 * 1024
"""The bytes that are held at once of what is searched through from end to end."""

MAX_PARTS: Final = 1_000_000
"""The chunks, blocks, segments and strips of one file that a walk visits before it gives up."""

EXPORT_AGAIN: Final = "Export or copy it again from where it came from."


class Window:
    """The bytes of `file` from 0 to `size`, on behalf of the walk of one format.

    Never maps the file: a mapped file that shrinks kills the process. `kind` is the format's
    short name in messages. OSError from reading passes through.
    """

    __slots__ = ("_file", "_held", "_parts", "_start", "kind", "size")

    def __init__(self, file: BinaryIO, size: int, kind: str) -> None:
        self.kind = kind
        self.size = size
        self._file = file
        self._held = b""
        self._start = 0
        self._parts = 0

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes from `offset`; PictureError (cut off) where the file ends first.

        The caller bounds `length`.
        """
        if offset + length > self.size:
            raise self.cut_off()
        start = offset - self._start
        if start < 0 or start + length > len(self._held):
            self._hold(offset, max(length, SPAN))
            start = 0
        piece = self._held[start : start + length]
        if len(piece) < length:
            raise self.cut_off()
        return piece

    def stretch(self, offset: int, length: int) -> tuple[bytes, int]:
        """Some held bytes, and where among them `offset` is; two bytes at least lie from there on.

        `length` bytes are held where they are read for this. PictureError (cut off) where the file
        holds fewer than two. Nothing is copied.
        """
        start = offset - self._start
        if start < 0 or start + 2 > len(self._held):
            self._hold(offset, length)
        self.read(offset, 2)
        return self._held, offset - self._start

    def unpack(self, layout: Struct, offset: int) -> tuple[Any, ...]:
        """The values that `layout` finds at `offset`."""
        return layout.unpack(self.read(offset, layout.size))

    def count(self, parts: int = 1) -> None:
        """Count visited parts; PictureError once there are more than MAX_PARTS."""
        self._parts += parts
        if self._parts > MAX_PARTS:
            raise self.damaged(f"it is in more than {MAX_PARTS:,} parts")

    def cut_off(self, missing: str = "the end that it announces") -> PictureError:
        """The error for a file that ends too early."""
        return PictureError(f"is cut off: its {self.kind} data ends before {missing}", EXPORT_AGAIN)

    def damaged(self, detail: str) -> PictureError:
        """The error for a structure that cannot be; `detail` is a clause."""
        return PictureError(f"is damaged: as {self.kind}, {detail}", EXPORT_AGAIN)

    def _hold(self, offset: int, length: int) -> None:
        # What lies behind `size` is not the picture's, even if the file has grown.
        length = min(length, self.size - offset)
        self._file.seek(offset)
        pieces: list[bytes] = []
        while length and (piece := self._file.read(length)):
            pieces.append(piece)
            length -= len(piece)
        self._held = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._start = offset
