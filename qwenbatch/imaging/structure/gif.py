"""GIF: a screen, then blocks to the trailer (CompuServe GIF89a). Its first frame is the picture."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from qwenbatch.imaging.structure.outline import Outline

if TYPE_CHECKING:
    from qwenbatch.imaging.structure.window import Window

SIGNATURES: Final = (b"GIF87a", b"GIF89a")

_SCREEN: Final = Struct("<6xHHBxx")
_FRAME: Final = Struct("<HHHHB")
_EXTENSION, _IMAGE, _TRAILER = b"!", b",", b";"
_GRAPHIC_CONTROL: Final = b"\xf9\x04"
_HAS_TABLE, _TABLE_SIZE, _IS_TRANSPARENT = 0x80, 0x07, 0x01


def outline(window: Window) -> Outline:
    """A GIF's outline: its screen, widened to its first frame where that sticks out."""
    width, height, flags = window.unpack(_SCREEN, 0)
    offset = _SCREEN.size + _table_bytes(flags)
    transparent = alpha = False
    frames = 0
    while (kind := window.read(offset, 1)) != _TRAILER:
        window.count()
        if kind == _EXTENSION:
            if window.read(offset + 1, 2) == _GRAPHIC_CONTROL:
                transparent = bool(window.read(offset + 3, 1)[0] & _IS_TRANSPARENT)
            offset = _behind_blocks(window, offset + 2)
        elif kind == _IMAGE:
            left, top, wide, high, flags = window.unpack(_FRAME, offset + 1)
            if not frames:
                width, height = max(width, left + wide), max(height, top + high)
                alpha = transparent
            frames += 1
            # One byte behind the table states the size of LZW's codes.
            offset = _behind_blocks(window, offset + 1 + _FRAME.size + _table_bytes(flags) + 1)
        else:
            raise window.damaged("it has a block that cannot be")
    if not frames or not width or not height:
        raise window.damaged("it has no pixels")
    # Palette is the only mode that the format has, and the format is one that the service takes.
    return Outline(width=width, height=height, plain=True, alpha=alpha)


def _table_bytes(flags: int) -> int:
    return 3 * 2 ** ((flags & _TABLE_SIZE) + 1) if flags & _HAS_TABLE else 0


def _behind_blocks(window: Window, offset: int) -> int:
    """Where the chain of data blocks that begins at `offset` ends."""
    while length := window.read(offset, 1)[0]:
        window.count()
        offset += 1 + length
    return offset + 1
