"""PNG: a signature and chunks, IHDR to IEND (W3C PNG, third edition; APNG has the same frame)."""

from __future__ import annotations

import zlib
from struct import Struct
from typing import TYPE_CHECKING, Final

import msgspec

from qwenbatch.imaging.structure.exif import MAX_EXIF_BYTES, orientation
from qwenbatch.imaging.structure.outline import Outline

if TYPE_CHECKING:
    from qwenbatch.imaging.structure.window import Window

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
MAX_CHUNK_BYTES: Final = 2**31 - 1
CHUNK: Final = Struct(">I4s")
CHECKSUM: Final = Struct(">I")
HEADER_BYTES: Final = 13

_HEADER: Final = Struct(">IIBBBBB")
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGBA = 0, 2, 3, 4, 6
_DEPTHS: Final = {
    _GREY: (1, 2, 4, 8, 16),
    _RGB: (8, 16),
    _PALETTE: (1, 2, 4, 8),
    _GREY_ALPHA: (8, 16),
    _RGBA: (8, 16),
}
_PLAIN: Final = {(8, _GREY), (8, _RGB), (8, _RGBA)}


class Header(msgspec.Struct, frozen=True):
    """What IHDR says; only values that the format allows."""

    width: int
    height: int
    depth: int
    colour: int


def header(body: bytes) -> Header | None:
    """IHDR's body read; None where the format does not allow what it says."""
    if len(body) != HEADER_BYTES:
        return None
    width, height, depth, colour, compression, filters, interlace = _HEADER.unpack(body)
    allowed = (
        0 < width <= MAX_CHUNK_BYTES
        and 0 < height <= MAX_CHUNK_BYTES
        and depth in _DEPTHS.get(colour, ())
        and compression == filters == 0
        and interlace in (0, 1)
    )
    return Header(width, height, depth, colour) if allowed else None


def outline(window: Window) -> Outline:
    """A PNG's outline; the checksum of IHDR alone is checked, the others' are not."""
    found = _header(window)
    offset = len(SIGNATURE) + CHUNK.size + HEADER_BYTES + CHECKSUM.size
    seen: set[bytes] = set()
    turned = 1
    while b"IEND" not in seen:
        length, kind = window.unpack(CHUNK, offset)
        end = offset + CHUNK.size + length + CHECKSUM.size
        if length > MAX_CHUNK_BYTES or not kind.isalpha():
            raise window.damaged("it has a chunk that cannot be")
        if end > window.size:
            raise window.cut_off("its end mark")
        if kind == b"eXIf":
            turned = orientation(window.read(offset + CHUNK.size, min(length, MAX_EXIF_BYTES)))
        seen.add(kind)
        window.count()
        offset = end
    if b"IDAT" not in seen or (found.colour == _PALETTE and b"PLTE" not in seen):
        raise window.damaged("it has no pixels, or no palette for them")
    return Outline(
        width=found.width,
        height=found.height,
        plain=(found.depth, found.colour) in _PLAIN,
        alpha=found.colour in (_GREY_ALPHA, _RGBA) or b"tRNS" in seen,
        orientation=turned,
    )


def _header(window: Window) -> Header:
    start = len(SIGNATURE)
    length, kind = window.unpack(CHUNK, start)
    if kind != b"IHDR" or length != HEADER_BYTES:
        raise window.damaged("it does not begin with a header")
    body = window.read(start + CHUNK.size, HEADER_BYTES)
    (checksum,) = window.unpack(CHECKSUM, start + CHUNK.size + HEADER_BYTES)
    found = header(body)
    if found is None or checksum != zlib.crc32(kind + body):
        raise window.damaged("its header makes no sense")
    return found
