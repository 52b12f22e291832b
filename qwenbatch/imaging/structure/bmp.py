"""BMP: two headers, and pixels whose length follows from them (Microsoft, BITMAPV5HEADER)."""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import TYPE_CHECKING, Final

from qwenbatch.errors import PictureError
from qwenbatch.imaging.structure.outline import Outline

if TYPE_CHECKING:
    from qwenbatch.imaging.structure.window import Window

SIGNATURE: Final = b"BM"

_FILE: Final = Struct("<2xIHHII")
_CORE: Final = Struct("<HHHH")
_INFO: Final = Struct("<iiHHII")
_CORE_BYTES: Final = 12
_HEADER_BYTES: Final = (_CORE_BYTES, 40, 52, 56, 64, 108, 124)
_WITH_ALPHA_MASK: Final = (56, 108, 124)
_ALPHA_MASK_OFFSET: Final = 14 + 52
_DEPTHS: Final = (1, 4, 8, 16, 24, 32)
_RGB_DEPTH: Final = 24
_RGBA_DEPTH: Final = 32


class _Compression(IntEnum):
    NONE = 0
    RLE8 = 1
    RLE4 = 2
    MASKS = 3
    JPEG = 4
    PNG = 5
    ALPHA_MASKS = 6


def outline(window: Window) -> Outline:
    """A BMP's outline; plain is only what is uncompressed and has 24 bits a pixel.

    The length in the file's header is not relied upon: many writers leave it wrong.
    """
    _, _, _, pixels, header_bytes = window.unpack(_FILE, 0)
    if header_bytes not in _HEADER_BYTES:
        raise window.damaged("its header makes no sense")
    start = _FILE.size
    packed = 0
    compression: int = _Compression.NONE
    if header_bytes == _CORE_BYTES:
        width, height, planes, depth = window.unpack(_CORE, start)
    else:
        width, height, planes, depth, compression, packed = window.unpack(_INFO, start)
    # A negative height says that the rows run from the top.
    height = abs(height)
    if planes != 1 or depth not in _DEPTHS or width <= 0 or not height:
        raise window.damaged("its header makes no sense")
    if pixels < start - 4 + header_bytes:
        raise window.damaged("its pixels begin inside of its header")
    row = (width * depth + 31) // 32 * 4
    if pixels + _pixel_bytes(window, compression, packed, row * height) > window.size:
        raise window.cut_off("its last row")
    is_masked = compression in (_Compression.MASKS, _Compression.ALPHA_MASKS)
    return Outline(
        width=width,
        height=height,
        plain=depth == _RGB_DEPTH and compression == _Compression.NONE,
        alpha=is_masked and depth == _RGBA_DEPTH and _has_alpha_mask(window, header_bytes),
    )


def _pixel_bytes(window: Window, compression: int, packed: int, unpacked: int) -> int:
    match compression:
        case _Compression.NONE | _Compression.MASKS | _Compression.ALPHA_MASKS:
            return unpacked
        case _Compression.RLE8 | _Compression.RLE4:
            if not packed:
                raise window.damaged("it does not state how long its pixels are")
            return packed
        case _Compression.JPEG | _Compression.PNG:
            raise PictureError(
                "is a BMP that only wraps a JPEG or PNG for a printer",
                "Export it as JPEG or PNG.",
            )
        case _:
            raise window.damaged("its compression is unknown")


def _has_alpha_mask(window: Window, header_bytes: int) -> bool:
    mask = window.read(_ALPHA_MASK_OFFSET, 4)
    return header_bytes in _WITH_ALPHA_MASK and any(mask)
