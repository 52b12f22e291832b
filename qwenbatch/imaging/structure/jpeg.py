"""JPEG: marker segments and, in each scan, entropy-coded data up to the next marker (ITU T.81).

What breaks off breaks off before its end mark: a file that ends with one is not searched through
for it. All others are: those that break off, and those with something behind the picture. What
lies between a scan's head and that mark is taken as it is; only decoding tells whether it is sound.
"""

from __future__ import annotations

import re
from struct import Struct
from typing import TYPE_CHECKING, Final

import msgspec

from qwenbatch.imaging.structure.exif import EXIF_PREFIX, orientation
from qwenbatch.imaging.structure.outline import Outline
from qwenbatch.imaging.structure.window import SPAN, STRETCH

if TYPE_CHECKING:
    from qwenbatch.imaging.structure.window import Window

SIGNATURE: Final = b"\xff\xd8\xff"

_SOI, _EOI, _SOS, _TEM, _APP1, _APP2 = 0xD8, 0xD9, 0xDA, 0x01, 0xE1, 0xE2
_MORE_PICTURES: Final = b"MPF\0"
"""What APP2 begins with where more pictures follow in the file (CIPA DC-007)."""

_END_MARK: Final = b"\xff\xd9"
_TAIL: Final = 4096
"""The bytes at the end among which the end mark may stand; zeros may fill them up behind it."""

_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_HUFFMAN_BY_BLOCKS: Final = frozenset({0xC0, 0xC1, 0xC2})
_LENGTH: Final = Struct(">H")
_FRAME: Final = Struct(">BHHB")
# 00 is a stuffed byte, D0 to D7 restart a scan, FF fills: none of them ends entropy-coded data.
_MARKER: Final = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")


class _Walk(msgspec.Struct):
    frame: Outline | None = None
    turned: int | None = None
    scans: int = 0
    pictures_follow: bool = False


def outline(window: Window) -> Outline:
    """A JPEG's outline; thumbnails lie inside segments, which are skipped whole."""
    walk = _Walk()
    offset = 2
    while True:
        offset, marker = _next_marker(window, offset, STRETCH if walk.scans else SPAN)
        window.count()
        if marker == _EOI:
            break
        if marker == _SOI:
            raise window.cut_off("its end mark; another picture begins inside of it")
        if marker != _TEM:
            offset = _segment(window, walk, marker, offset)
        if marker == _SOS and _ends_the_file(window, walk, offset):
            break
    if walk.frame is None or not walk.scans:
        raise window.damaged("it has no pixels")
    return Outline(
        width=walk.frame.width,
        height=walk.frame.height,
        plain=walk.frame.plain,
        orientation=walk.turned or 1,
    )


def _ends_the_file(window: Window, walk: _Walk, offset: int) -> bool:
    """Whether the end mark of the picture, whose first scan begins at `offset`, ends its file."""
    if walk.scans > 1 or walk.frame is None or walk.pictures_follow:
        # Behind another picture the mark would be that one's.
        return False
    length = min(_TAIL, window.size - offset)
    return window.read(window.size - length, length).rstrip(b"\0").endswith(_END_MARK)


def _next_marker(window: Window, offset: int, piece: int) -> tuple[int, int]:
    """Where the data behind the next marker begins, and the marker; looked for by the piece."""
    while offset + 1 < window.size:
        held, start = window.stretch(offset, piece)
        found = _MARKER.search(held, start)
        if found:
            return offset + found.end() - start, held[found.end() - 1]
        # A marker may lie across the border, its FF in this stretch.
        offset += len(held) - start - (1 if held.endswith(b"\xff") else 0)
    raise window.cut_off("its end mark")


def _segment(window: Window, walk: _Walk, marker: int, offset: int) -> int:
    """Take note of the segment whose length field is at `offset`; where it ends."""
    (length,) = window.unpack(_LENGTH, offset)
    if length < _LENGTH.size:
        raise window.damaged("it has a segment that cannot be")
    end: int = offset + length
    if end > window.size:
        raise window.cut_off("its end mark")
    if marker in _FRAMES:
        if walk.frame is not None or length < _LENGTH.size + _FRAME.size:
            raise window.damaged("its frame header makes no sense")
        walk.frame = _frame(window, marker, offset + _LENGTH.size)
    elif marker == _SOS:
        walk.scans += 1
    elif marker == _APP1 and walk.turned is None:
        body = window.read(offset + _LENGTH.size, length - _LENGTH.size)
        if body.startswith(EXIF_PREFIX):
            walk.turned = orientation(body)
    elif marker == _APP2 and length >= _LENGTH.size + len(_MORE_PICTURES):
        begins = window.read(offset + _LENGTH.size, len(_MORE_PICTURES))
        walk.pictures_follow = walk.pictures_follow or begins == _MORE_PICTURES
    return end


def _frame(window: Window, marker: int, offset: int) -> Outline:
    depth, height, width, components = window.unpack(_FRAME, offset)
    if not width or not height or not components:
        raise window.damaged("its header states no size")
    usual = marker in _HUFFMAN_BY_BLOCKS and depth == 8  # noqa: PLR2004 - bits of a sample
    return Outline(width=width, height=height, plain=usual and components in (1, 3))
