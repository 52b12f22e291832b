"""Pictures that cannot go as they are, made into ones that can."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from qwenbatch.core.pictures import (
    MAX_ADVISED_SIDE,
    MAX_DATA_URI_BYTES,
    Format,
    Picture,
    Reencode,
    data_uri_bytes,
)

if TYPE_CHECKING:
    from PIL.Image import Image

    from qwenbatch.imaging.pixels.fitting import Plain


def encode(file: BinaryIO, picture: Picture) -> tuple[Format, bytes]:
    """The picture's first frame, upright, as 8-bit RGB within the limit of a data URI.

    `picture` is what `look` said of `file`. A JPEG becomes a JPEG of quality 95 (4:4:4). Anything
    else becomes a PNG, which keeps transparency (RGBA); where that is too long, a JPEG, with
    transparency on white. What is still too long is scaled down. No metadata is kept but an RGB
    colour profile. At most MAX_PIXELS are in memory, a few times over.
    Raises PictureError where the pixels cannot be decoded or encoded; OSError from reading passes
    through.
    """
    # Pillow takes longer to import than the rest of the program's start.
    from qwenbatch.imaging.pixels.decode import decoding  # noqa: PLC0415 - see above
    from qwenbatch.imaging.pixels.fitting import as_jpeg, as_png  # noqa: PLC0415 - see above

    with decoding():
        plain = _plain(file, picture)
        png = as_png(plain) if _may_fit_as_png(picture) else None
        if png is not None:
            return Format.PNG, png
        return Format.JPEG, as_jpeg(plain)


def _plain(file: BinaryIO, picture: Picture) -> Plain:
    from qwenbatch.imaging.pixels.colours import plain, profile_to_keep  # noqa: PLC0415 - as above
    from qwenbatch.imaging.pixels.decode import decoded  # noqa: PLC0415 - as above
    from qwenbatch.imaging.pixels.fitting import Plain  # noqa: PLC0415 - as above
    from qwenbatch.imaging.pixels.upright import upright  # noqa: PLC0415 - as above

    image: Image = decoded(file, picture.format, least=_least(picture))
    profile = profile_to_keep(image)
    # Pillow turns TIFF, and no other format, while it decodes.
    turn = 1 if picture.format is Format.TIFF else picture.orientation
    return Plain(upright(plain(image), turn), profile)


def _is_over_limit(picture: Picture) -> bool:
    return data_uri_bytes(picture.format, picture.size) > MAX_DATA_URI_BYTES


def _least(picture: Picture) -> tuple[int, int] | None:
    """The size below which a JPEG that must be scaled down anyway is not to be decoded."""
    longest = max(picture.width, picture.height)
    if not _is_over_limit(picture) or longest <= MAX_ADVISED_SIDE:
        return None
    factor = longest / MAX_ADVISED_SIDE
    return max(1, int(picture.width / factor)), max(1, int(picture.height / factor))


def _may_fit_as_png(picture: Picture) -> bool:
    """False where a PNG would be made in vain: for photographs, and PNGs that were too long."""
    match picture.format:
        case Format.JPEG:
            return False
        case Format.PNG | Format.WEBP:
            return picture.reencode is not Reencode.SIZE
        case Format.BMP | Format.TIFF | Format.GIF:
            return True
