"""What a source is, by its content, and whether it is whole: no pixel is decoded for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Final

from qwenbatch.core.pictures import (
    MAX_DATA_URI_BYTES,
    MAX_PIXELS,
    Format,
    Picture,
    Reencode,
    data_uri_bytes,
)
from qwenbatch.errors import PictureError
from qwenbatch.imaging.strangers import HEAD_BYTES, stranger
from qwenbatch.imaging.structure import bmp, gif, jpeg, png, tiff, webp
from qwenbatch.imaging.structure.exif import UPRIGHT
from qwenbatch.imaging.structure.tiff_directory import Layout
from qwenbatch.imaging.structure.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from qwenbatch.imaging.structure.outline import Outline

_WALKS: Final[Mapping[Format, Callable[[Window], Outline]]] = {
    Format.JPEG: jpeg.outline,
    Format.PNG: png.outline,
    Format.BMP: bmp.outline,
    Format.TIFF: tiff.outline,
    Format.WEBP: webp.outline,
    Format.GIF: gif.outline,
}


def look(file: BinaryIO, size: int) -> Picture:
    """The picture that `file`, seekable and `size` bytes long, holds.

    Reads in pieces of about 64 KiB (a TIFF's list of strips: at most 8 MB) and leaves the
    file's position anywhere. Bytes behind the picture's end are allowed; so is a file that is
    larger than `size`. Raises PictureError, whose `what` completes "<name>: …", for what is
    empty, cut off, damaged, of another kind, or larger than MAX_PIXELS; OSError from reading
    passes through.
    """
    if not size:
        raise PictureError("is empty (0 bytes)", "Export or copy it again from where it came from.")
    head = Window(file, size, "picture").read(0, min(size, HEAD_BYTES))
    format_ = recognised(head)
    if format_ is None:
        raise stranger(head)
    found = _WALKS[format_](Window(file, size, format_.name))
    refuse_too_many_pixels(found.width, found.height)
    return Picture(
        format=format_,
        width=found.width,
        height=found.height,
        orientation=found.orientation,
        alpha=found.alpha,
        size=size,
        reencode=_reason(found, format_, size),
    )


def recognised(head: bytes) -> Format | None:
    """The format of a file that begins with `head` (12 bytes are enough); None for any other."""
    if head.startswith(jpeg.SIGNATURE):
        return Format.JPEG
    if head.startswith(png.SIGNATURE):
        return Format.PNG
    if head.startswith(gif.SIGNATURES):
        return Format.GIF
    if webp.is_webp(head):
        return Format.WEBP
    if Layout.of(head) is not None:
        return Format.TIFF
    return Format.BMP if head.startswith(bmp.SIGNATURE) else None


def refuse_too_many_pixels(width: int, height: int) -> None:
    """PictureError for a picture that claims more than MAX_PIXELS."""
    if width * height > MAX_PIXELS:
        raise PictureError(
            f"asks for {width * height / 1e6:,.0f} megapixels ({width}×{height}): "
            f"more than {MAX_PIXELS // 10**6} are never decoded",
            "Scale it down first.",
        )


def _reason(found: Outline, format_: Format, size: int) -> Reencode | None:
    if found.orientation != UPRIGHT:
        return Reencode.ORIENTATION
    if not found.plain:
        return Reencode.MODE
    if data_uri_bytes(format_, size) > MAX_DATA_URI_BYTES:
        return Reencode.SIZE
    return None
