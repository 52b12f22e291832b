"""Plain pixels, encoded so that their data URI fits the gateway's limit."""

from __future__ import annotations

import io
from math import sqrt
from typing import TYPE_CHECKING, Final

import msgspec
from PIL import Image

from qwenbatch.core.pictures import MAX_DATA_URI_BYTES, Format, data_uri_bytes
from qwenbatch.errors import PictureError
from qwenbatch.imaging.pixels.colours import flattened

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

JPEG_QUALITY: Final = 95
MAX_JPEG_SIDE: Final = 65_500
"""The longest side that libjpeg writes."""

MAX_STEPS: Final = 12
_MARGIN: Final = 0.96


class Plain(msgspec.Struct, frozen=True):
    """An upright RGB or RGBA image with the colour profile that belongs to it."""

    image: Image.Image
    profile: bytes | None


class _TooLongError(Exception):
    """What is written has passed the limit: the rest need not be made."""


class _Limited(io.BytesIO):
    """A buffer that refuses to grow beyond what a data URI of this format may hold."""

    def __init__(self, format_: Format) -> None:
        super().__init__()
        self._format = format_

    def write(self, piece: ReadableBuffer, /) -> int:
        written = super().write(piece)
        if not fits(self._format, self.tell()):
            raise _TooLongError
        return written


def fits(format_: Format, size: int) -> bool:
    """Whether `size` bytes make a data URI within the limit."""
    return data_uri_bytes(format_, size) <= MAX_DATA_URI_BYTES


def as_png(plain: Plain) -> bytes | None:
    """The image as PNG, transparency kept; None, found out early, if it would be too long."""
    buffer = _Limited(Format.PNG)
    try:
        plain.image.save(buffer, "PNG", icc_profile=plain.profile, exif=None, compress_level=5)
    except _TooLongError:
        return None
    return buffer.getvalue()


def as_jpeg(plain: Plain) -> bytes:
    """The image as JPEG of quality 95 without subsampling, scaled down until it fits.

    Transparency goes onto white. Each step is made from the image itself, not from the last
    step, by the ratio by which that was too long.
    """
    image = flattened(plain.image)
    scale = min(1.0, MAX_JPEG_SIDE / max(image.size))
    for _ in range(MAX_STEPS):
        data = _jpeg(_scaled(image, scale), plain.profile)
        if fits(Format.JPEG, len(data)):
            return data
        excess = data_uri_bytes(Format.JPEG, len(data)) / MAX_DATA_URI_BYTES
        scale *= _MARGIN / sqrt(excess)
    raise PictureError(
        f"cannot be made smaller than the {MAX_DATA_URI_BYTES:,} bytes that the gateway takes",
        "Scale it down first.",
    )


def _scaled(image: Image.Image, scale: float) -> Image.Image:
    if scale >= 1:
        return image
    size = tuple(max(1, round(side * scale)) for side in image.size)
    return image.resize((size[0], size[1]), Image.Resampling.LANCZOS)


def _jpeg(image: Image.Image, profile: bytes | None) -> bytes:
    buffer = io.BytesIO()
    image.save(
        buffer,
        "JPEG",
        quality=JPEG_QUALITY,
        subsampling="4:4:4",
        icc_profile=profile,
    )
    return buffer.getvalue()
