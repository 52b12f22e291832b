"""A source's pixels, as the service sees them: EXIF orientation ignored, no alpha, 8-bit RGB."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

from PIL import Image, UnidentifiedImageError

from qwenbatch.sandbox.order import FORMAT_BY_MIME
from qwenbatch.sandbox.refusal import invalid_parameter
from qwenbatch.sandbox.sizes import result_size

MAX_PIXELS = 89_000_000
"""Just under the size from which Pillow itself warns of a bomb."""

MAX_SIDES_RATIO = 200
"""A longer strip would make a result of more pixels than any photograph's."""

_ORIENTATION = 0x0112

_UNTURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""What undoes the turn that Pillow makes for an orientation."""

_BROKEN = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
"""What Pillow's decoders raise over bytes that are no sound picture."""


def decode_source(
    data: bytes,
    said_format: str | None,
) -> tuple[Image.Image, tuple[int, int]]:
    """The first frame of the picture in `data`, as RGB, and its true width and height.

    A large JPEG is decoded at a part of its size, but never at less than its result's.

    `said_format` is the format that the request says, None if it says none. RefusalError if the
    bytes are of no format that the service takes, or of another one, or broken, or too large.
    """
    try:
        with Image.open(BytesIO(data), formats=tuple(FORMAT_BY_MIME.values())) as image:
            _check(image, said_format)
            stored, size = _as_stored(image)
            return _rgb(stored), size
    except UnidentifiedImageError:
        raise invalid_parameter("The image format is not one that is supported.") from None
    except _BROKEN:
        raise invalid_parameter("The image cannot be decoded: it is truncated or broken.") from None


def _check(image: Image.Image, said_format: str | None) -> None:
    found = "JPEG" if image.format == "MPO" else image.format
    if said_format is not None and found != said_format:
        raise invalid_parameter(f"The MIME type says {said_format}, the image is {found}.")
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise invalid_parameter(f"The image of {width} by {height} pixels is too large.")
    if max(width, height) > MAX_SIDES_RATIO * min(width, height):
        raise invalid_parameter(f"The image of {width} by {height} pixels is too long a strip.")


def _as_stored(image: Image.Image) -> tuple[Image.Image, tuple[int, int]]:
    """The pixels, not turned, and their true width and height before any scaling."""
    if image.format == "TIFF":
        orientation = image.getexif().get(_ORIENTATION, 1)
        image.load()  # Pillow turns this format upright by itself
        undo = _UNTURNED.get(orientation)
        stored = image if undo is None else image.transpose(undo)
        return stored, stored.size
    size = image.size
    if image.format == "JPEG":
        # The decoder then scales down by a power of two: a large photograph costs little.
        image.draft("RGB", result_size(*size))
    image.load()
    return image, size


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode in {"I", "I;16", "I;16B", "I;16L"}:
        return image.convert("I").point(lambda value: value / 257).convert("L").convert("RGB")
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        ground = Image.new("RGB", seen.size, "white")
        ground.paste(seen, mask=seen.getchannel("A"))
        return ground
    return image.convert("RGB")
