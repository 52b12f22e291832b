"""A PNG that arrives in pieces of any length, checked to its last checksum in bounded memory."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, assert_never

from zlib_ng.zlib_ng import crc32  # a third of the time that zlib's own takes

from qwenbatch.core.pictures import MAX_PIXELS
from qwenbatch.imaging.structure.png import (
    CHECKSUM,
    CHUNK,
    HEADER_BYTES,
    MAX_CHUNK_BYTES,
    SIGNATURE,
    header,
)
from qwenbatch.imaging.structure.window import MAX_PARTS

if TYPE_CHECKING:
    from qwenbatch.imaging.structure.png import Header


_FRAME_BYTES = CHUNK.size + CHECKSUM.size
"""What a chunk takes beside its body."""


class _Part(StrEnum):
    SIGNATURE = "its signature"
    CHUNK = "a chunk's head"
    BODY = "a chunk's body"
    CHECKSUM = "a chunk's checksum"
    END = "its end"


class PngChecker:
    """Fed with a PNG from its first byte on; `problem` says at any time what is wrong so far.

    Memory: a few dozen bytes. Bytes behind IEND are not looked at.
    """

    def __init__(self) -> None:
        self.header: Header | None = None
        self.problem: str | None = None
        self._part = _Part.SIGNATURE
        self._missing = len(SIGNATURE)
        self._held = bytearray()
        self._kind = b""
        self._running = 0
        self._chunks = 0
        self._has_pixels = False

    @property
    def is_whole(self) -> bool:
        """Whether the end mark was reached and nothing is wrong."""
        return self._part is _Part.END and self.problem is None

    def feed(self, piece: bytes) -> None:
        """Check the next bytes."""
        rest = memoryview(piece)
        while rest and self._part is not _Part.END and self.problem is None:
            if self._part is _Part.CHUNK and not self._held:
                rest = rest[self._whole_pixels(rest) :]
            taken = rest[: self._missing]
            rest = rest[len(taken) :]
            self._missing -= len(taken)
            if self._part is _Part.BODY:
                self._running = crc32(taken, self._running)
            if self._part is not _Part.BODY or self._kind == b"IHDR":
                self._held += taken
            if not self._missing:
                self._finish_part()

    def _whole_pixels(self, piece: memoryview) -> int:
        """The bytes of sound chunks of pixels that lie whole at a piece's beginning.

        They are nearly all of a picture: here they are checked at one go each. Whatever is amiss
        with one is left to the steps that find out what.
        """
        begin = 0
        while self._has_pixels and len(piece) - begin >= _FRAME_BYTES:
            length, kind = CHUNK.unpack_from(piece, begin)
            end = begin + _FRAME_BYTES + length
            if kind != b"IDAT" or end > len(piece) or self._chunks >= MAX_PARTS:
                break
            checksum = end - CHECKSUM.size
            if CHECKSUM.unpack_from(piece, checksum) != (crc32(piece[begin + 4 : checksum]),):
                break
            self._chunks += 1
            begin = end
        return begin

    def _finish_part(self) -> None:
        held = bytes(self._held)
        self._held.clear()
        match self._part:
            case _Part.SIGNATURE:
                if held != SIGNATURE:
                    self.problem = "it has not its signature"
                self._begin(_Part.CHUNK, CHUNK.size)
            case _Part.CHUNK:
                self._begin_chunk(held)
            case _Part.BODY:
                self._finish_body(held)
            case _Part.CHECKSUM:
                self._finish_chunk(held)
            case _Part.END:
                pass
            case _:
                assert_never(self._part)

    def _begin(self, part: _Part, missing: int) -> None:
        self._part = part
        self._missing = missing

    def _begin_chunk(self, head: bytes) -> None:
        length, self._kind = CHUNK.unpack(head)
        self._chunks += 1
        is_header = self._kind == b"IHDR"
        if length > MAX_CHUNK_BYTES or not self._kind.isalpha():
            self.problem = "it has a chunk that cannot be"
        elif is_header != (self.header is None) or (is_header and length != HEADER_BYTES):
            self.problem = "it does not begin with one header"
        elif self._chunks > MAX_PARTS:
            self.problem = f"it is in more than {MAX_PARTS:,} parts"
        elif self._kind == b"IEND" and (length or not self._has_pixels):
            self.problem = "it ends without pixels"
        self._has_pixels = self._has_pixels or self._kind == b"IDAT"
        self._running = crc32(self._kind)
        if length:
            self._begin(_Part.BODY, length)
        else:
            self._begin(_Part.CHECKSUM, CHECKSUM.size)

    def _finish_body(self, held: bytes) -> None:
        if self._kind == b"IHDR":
            self.header = header(held)
            if self.header is None:
                self.problem = "its header makes no sense"
            elif self.header.width * self.header.height > MAX_PIXELS:
                self.problem = f"it asks for more than {MAX_PIXELS // 10**6} megapixels"
        self._begin(_Part.CHECKSUM, CHECKSUM.size)

    def _finish_chunk(self, held: bytes) -> None:
        (stated,) = CHECKSUM.unpack(held)
        if stated != self._running:
            name = self._kind.decode("ascii")
            self.problem = f"the checksum of its {name} chunk is wrong"
        elif self._kind == b"IEND":
            self._begin(_Part.END, 0)
        else:
            self._begin(_Part.CHUNK, CHUNK.size)
