"""What is known of a picture without its pixels, and what the gateway takes and gives back.

Limits and sizes are those that the service and the model behind it document.
"""

from __future__ import annotations

from enum import StrEnum
from math import sqrt

import msgspec

MAX_DATA_URI_BYTES = 10_485_760
"""The longest `data:` URI that the gateway takes, header included."""

MIN_ADVISED_SIDE, MAX_ADVISED_SIDE = 384, 3072
"""Sides in pixels outside of which some relays refuse and quality suffers."""

MAX_PIXELS = 100_000_000
"""Pictures that claim more pixels than this are never decoded, nor placed."""

RESULT_PIXELS = 1_048_576
"""About how many pixels a result has, whatever went in."""

MAX_INSTRUCTION_CHARACTERS = 800
"""The service cuts a longer instruction silently."""

MAX_NEGATIVE_PROMPT_CHARACTERS = 500
"""The service cuts a longer negative prompt silently."""


class Format(StrEnum):
    """The formats that the service takes; the values are their MIME types."""

    JPEG = "image/jpeg"
    PNG = "image/png"
    BMP = "image/bmp"
    TIFF = "image/tiff"
    WEBP = "image/webp"
    GIF = "image/gif"


class Reencode(StrEnum):
    """Why a picture's own bytes cannot go as they are."""

    ORIENTATION = "its EXIF orientation must be baked in"
    MODE = "its colours are not plain RGB or grey of 8 bits"
    SIZE = "its data URI would be over the limit"


class Picture(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A source as its structure tells it, before any pixel is decoded.

    `width` and `height` are in pixels as stored; `orientation` is EXIF's, 1 to 8. `reencode` is
    None where the bytes go to the gateway untouched.
    """

    format: Format
    width: int
    height: int
    orientation: int
    alpha: bool
    size: int
    reencode: Reencode | None

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height in pixels once the orientation is baked in."""
        turned = self.orientation >= 5  # noqa: PLR2004 - EXIF: 5 to 8 lie on their side
        return (self.height, self.width) if turned else (self.width, self.height)


class VerifiedPicture(msgspec.Struct, frozen=True):
    """A result that was read whole and found sound: its format, and its size in pixels."""

    format: str
    width: int
    height: int


def data_uri_bytes(format_: Format, size: int) -> int:
    """The length of the data URI that `size` bytes of this format make."""
    return len(f"data:{format_.value};base64,") + 4 * ((size + 2) // 3)


def predicted_size(width: int, height: int) -> tuple[int, int]:
    """The result's likely width and height in pixels, for an upright source of this size.

    Inferred, not documented; the service's `usage` and the picture itself are the truth.
    """
    ratio = width / height
    ideal = sqrt(RESULT_PIXELS * ratio)
    return max(32, round(ideal / 32) * 32), max(32, round(ideal / ratio / 32) * 32)
