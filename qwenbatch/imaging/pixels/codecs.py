"""Whether this machine's Pillow can decode what the service takes."""

from __future__ import annotations

from io import BytesIO

from PIL import Image

from qwenbatch.core.pictures import Format
from qwenbatch.errors import PictureError
from qwenbatch.imaging.pixels.decode import decoded

_SIDE = 16


def undecodable() -> list[Format]:
    """The formats of which a small picture, made here, cannot be decoded again."""
    return [format_ for format_ in Format if not _comes_back(format_)]


def _comes_back(format_: Format) -> bool:
    file = BytesIO()
    try:
        Image.new("RGB", (_SIDE, _SIDE), (200, 30, 60)).save(file, format_.name)
        return decoded(file, format_).size == (_SIDE, _SIDE)
    except (KeyError, OSError, PictureError):
        return False
