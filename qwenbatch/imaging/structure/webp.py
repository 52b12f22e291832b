"""WEBP: a RIFF file of chunks, VP8, VP8L or VP8X first (RFC 9649)."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

import msgspec

from qwenbatch.imaging.structure.exif import MAX_EXIF_BYTES, orientation
from qwenbatch.imaging.structure.outline import Outline

if TYPE_CHECKING:
    from qwenbatch.imaging.structure.window import Window

_RIFF: Final = Struct("<4sI4s")
_CHUNK: Final = Struct("<4sI")
_LOSSY: Final = Struct("<3s3sHH")
_LOSSLESS: Final = Struct("<BI")
_EXTENDED: Final = Struct("<I3s3s")
_FRAME_BYTES: Final = 16
_START_CODE, _LOSSLESS_MARK = b"\x9d\x01\x2a", 0x2F
_SIDE_BITS: Final = 14
_SIDE_MASK: Final = 2**_SIDE_BITS - 1
_ALPHA_FLAG, _ANIMATION_FLAG = 0x10, 0x02


class _Walk(msgspec.Struct):
    canvas: tuple[int, int] | None = None
    picture: tuple[int, int] | None = None
    alpha: bool = False
    animated: bool = False
    turned: int = 1


def is_webp(head: bytes) -> bool:
    """Whether a file that begins so is a WEBP."""
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"


def outline(window: Window) -> Outline:
    """A WEBP's outline; an animation is not plain: the service documents first frames of GIF only.

    The size of an extended file is that of its canvas, which a still picture must fill.
    """
    _, length, _ = window.unpack(_RIFF, 0)
    end = _CHUNK.size + length
    if end > window.size:
        raise window.cut_off()
    walk = _Walk()
    offset = _RIFF.size
    while offset + _CHUNK.size <= end:
        kind, length = window.unpack(_CHUNK, offset)
        offset += _CHUNK.size
        if offset + length > end:
            raise window.damaged("it has a chunk that is longer than the file says it is")
        _chunk(window, walk, kind, offset, length)
        window.count()
        offset += length + length % 2
    size = walk.canvas or walk.picture
    if walk.picture is None or size is None:
        raise window.damaged("it has no pixels")
    if not walk.animated and size != walk.picture:
        raise window.damaged("its sizes contradict each other")
    return Outline(*size, plain=not walk.animated, alpha=walk.alpha, orientation=walk.turned)


def _chunk(window: Window, walk: _Walk, kind: bytes, offset: int, length: int) -> None:
    match kind:
        case b"VP8 " if walk.picture is None:
            walk.picture = _lossy(window, offset, length)
        case b"VP8L" if walk.picture is None:
            walk.picture, has_alpha = _lossless(window, offset, length)
            walk.alpha = walk.alpha or has_alpha
        case b"VP8X":
            walk.canvas = _extended(window, walk, offset, length)
        case b"ANMF" if length > _FRAME_BYTES:
            walk.animated = True
            walk.picture = walk.canvas
        case b"ALPH":
            walk.alpha = True
        case b"EXIF":
            walk.turned = orientation(window.read(offset, min(length, MAX_EXIF_BYTES)))
        case _:
            pass


def _lossy(window: Window, offset: int, length: int) -> tuple[int, int]:
    if length < _LOSSY.size:
        raise window.damaged("its picture is too short")
    tag, start_code, width, height = window.unpack(_LOSSY, offset)
    first_part = int.from_bytes(tag, "little") >> 5
    width, height = width & _SIDE_MASK, height & _SIDE_MASK
    is_key_frame = not tag[0] & 1
    if not is_key_frame or start_code != _START_CODE or first_part > length - _LOSSY.size:
        raise window.damaged("its header makes no sense")
    if not width or not height:
        raise window.damaged("its header states no size")
    return width, height


def _lossless(window: Window, offset: int, length: int) -> tuple[tuple[int, int], bool]:
    if length < _LOSSLESS.size:
        raise window.damaged("its picture is too short")
    mark, bits = window.unpack(_LOSSLESS, offset)
    if mark != _LOSSLESS_MARK or bits >> 29:
        raise window.damaged("its header makes no sense")
    size = (bits & _SIDE_MASK) + 1, (bits >> _SIDE_BITS & _SIDE_MASK) + 1
    return size, bool(bits >> 28 & 1)


def _extended(window: Window, walk: _Walk, offset: int, length: int) -> tuple[int, int]:
    if length < _EXTENDED.size:
        raise window.damaged("its header is too short")
    flags, width, height = window.unpack(_EXTENDED, offset)
    walk.alpha = walk.alpha or bool(flags & _ALPHA_FLAG)
    walk.animated = bool(flags & _ANIMATION_FLAG)
    return int.from_bytes(width, "little") + 1, int.from_bytes(height, "little") + 1
