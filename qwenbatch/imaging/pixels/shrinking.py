"""Pictures scaled down and encoded as WebP, for screens."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO, Final

from PIL import Image, ImageCms

from qwenbatch.core.pictures import Format, Picture
from qwenbatch.imaging.pixels.colours import plain, profile_to_keep
from qwenbatch.imaging.pixels.decode import decoded, decoding
from qwenbatch.imaging.pixels.upright import upright

if TYPE_CHECKING:
    from collections.abc import Sequence

WEBP_QUALITY: Final = 80
WEBP_EFFORT: Final = 2
"""Half of JPEG's bytes; more effort saves another twentieth, and takes more than twice as long."""

_GAP: Final = 3.0
"""Boxes of pixels are averaged first down to so many times the wanted size: faster, as good."""


def shrunk(
    file: BinaryIO, picture: Picture, sides: Sequence[int], *, least: tuple[int, int]
) -> tuple[bytes, ...]:
    """The picture as WebP, once for each of `sides`, its longest side at most that many pixels.

    `picture` is what `look` said of `file`; a JPEG may be decoded at a part of its size, not
    below `least`. Raises PictureError where that cannot be done.
    """
    with decoding():
        image = decoded(file, picture.format, least=least)
        profile = profile_to_keep(image)
        # Pillow turns TIFF, and no other format, while it decodes.
        turn = 1 if picture.format is Format.TIFF else picture.orientation
        image = _fitted(plain(image), max(sides))
        image = upright(_in_srgb(image, profile), turn)
        return tuple(_webp(_fitted(image, side)) for side in sides)


def _fitted(image: Image.Image, side: int) -> Image.Image:
    longest = max(image.size)
    if longest <= side:
        return image
    width, height = (max(1, round(length * side / longest)) for length in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=_GAP)


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """The image in the colours that screens take for granted: no copy carries a profile."""
    if profile is None:
        return image
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        # A broken profile says nothing about the pixels.
        return image
    return image if converted is None else converted


def _webp(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=WEBP_QUALITY, method=WEBP_EFFORT, exif=b"", icc_profile=b"")
    return buffer.getvalue()
