"""Small copies of a picture, for people to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import msgspec

from qwenbatch.imaging.look import look

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qwenbatch.core.pictures import Picture


class Copied(msgspec.Struct, frozen=True):
    """A picture's own size in pixels, upright, and its copies as WebP in the order asked for."""

    width: int
    height: int
    copies: tuple[bytes, ...]


def copied(file: BinaryIO, size: int, sides: Sequence[int]) -> Copied:
    """Copies of the picture in `file`, `size` bytes long, whose longest sides are `sides`.

    Upright, in sRGB, transparency kept; without sides nothing is decoded. At most MAX_PIXELS are
    in memory, a few times over. Raises PictureError for what is no sound picture of the formats
    that the service takes; OSError from reading passes through.
    """
    picture = look(file, size)
    width, height = picture.upright
    copies: tuple[bytes, ...] = ()
    if sides:
        # Pillow takes longer to import than the rest of the program's start.
        from qwenbatch.imaging.pixels.shrinking import shrunk  # noqa: PLC0415 - see above

        copies = shrunk(file, picture, sides, least=_least(picture, max(sides)))
    return Copied(width, height, copies)


def _least(picture: Picture, side: int) -> tuple[int, int]:
    """The size, as stored, below which a JPEG is not to be decoded for a copy of this side."""
    factor = max(1.0, max(picture.width, picture.height) / side)
    return max(1, int(picture.width / factor)), max(1, int(picture.height / factor))
