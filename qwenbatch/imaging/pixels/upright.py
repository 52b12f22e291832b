"""Orientation, baked into the pixels."""

from __future__ import annotations

from typing import Final

from PIL import Image

_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """The image as EXIF's `orientation`, 1 to 8, says that it is to be seen."""
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)
