"""The orientation in a block of EXIF: a small TIFF whose first directory may hold tag 274."""

from __future__ import annotations

from struct import Struct, error
from typing import Final

EXIF_PREFIX: Final = b"Exif\0\0"
"""Stands before the block in JPEG, and by mistake in some WEBP and PNG files."""

MAX_EXIF_BYTES: Final = 64 * 1024
"""The head of a block that is read; its first directory lies in it in every sane file."""

UPRIGHT: Final = 1
ORIENTATION_TAG: Final = 274
_LAYOUTS: Final = {
    b"II*\0": (Struct("<I"), Struct("<H"), Struct("<HHI4s")),
    b"MM\0*": (Struct(">I"), Struct(">H"), Struct(">HHI4s")),
}
_BYTE, _SHORT, _LONG = 1, 3, 4


def valid_orientation(value: int) -> int:
    """The value itself if EXIF knows it (1 to 8), else 1."""
    return value if value in range(1, 9) else UPRIGHT


def orientation(block: bytes) -> int:
    """The orientation, 1 to 8, that a block of EXIF states; 1 where it states none or nonsense."""
    block = block.removeprefix(EXIF_PREFIX)
    layout = _LAYOUTS.get(block[:4])
    if layout is None:
        return UPRIGHT
    long, short, entry = layout
    try:
        (start,) = long.unpack_from(block, 4)
        (entries,) = short.unpack_from(block, start)
        for index in range(entries):
            tag, kind, count, value = entry.unpack_from(block, start + 2 + 12 * index)
            if tag == ORIENTATION_TAG:
                return _stated(kind, count, value, long, short)
    except error:
        return UPRIGHT
    return UPRIGHT


def _stated(kind: int, count: int, value: bytes, long: Struct, short: Struct) -> int:
    if count != 1:
        return UPRIGHT
    if kind == _SHORT:
        return valid_orientation(short.unpack_from(value)[0])
    if kind == _LONG:
        return valid_orientation(long.unpack(value)[0])
    return valid_orientation(value[0]) if kind == _BYTE else UPRIGHT
