"""Decoding with Pillow, closed to six formats; whatever Pillow raises becomes a PictureError."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Final

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from qwenbatch.core.pictures import MAX_PIXELS, Format
from qwenbatch.errors import PictureError
from qwenbatch.imaging.look import refuse_too_many_pixels

if TYPE_CHECKING:
    from collections.abc import Iterator

# Pillow's own limits, for sizes that it meets inside of a file: they are global in Pillow, as its
# warnings are, so they are set once and for all threads.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)

_DECODERS: Final[dict[Format, type[ImageFile.ImageFile]]] = {
    Format.JPEG: JpegImagePlugin.JpegImageFile,
    Format.PNG: PngImagePlugin.PngImageFile,
    Format.BMP: BmpImagePlugin.BmpImageFile,
    Format.TIFF: TiffImagePlugin.TiffImageFile,
    Format.WEBP: WebPImagePlugin.WebPImageFile,
    Format.GIF: GifImagePlugin.GifImageFile,
}


class _Bare:
    """A file without its number: libtiff would map the file, and a mapped file that shrinks kills.

    So Pillow reads a packed TIFF whole.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.read = file.read
        self.seek = file.seek
        self.tell = file.tell
        self.close = lambda: None


@contextmanager
def decoding() -> Iterator[None]:
    """Turn what Pillow raises while it decodes into PictureError.

    OSError with a number is the machine's, not the picture's, and passes through.
    """
    try:
        yield
    except PictureError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = str(error).strip() or type(error).__name__
        raise PictureError(
            f"cannot be decoded: {reason.splitlines()[0]}",
            "Export it again as JPEG or PNG.",
        ) from error


def decoded(
    file: BinaryIO, format_: Format, *, least: tuple[int, int] | None = None
) -> Image.Image:
    """The first frame of a file of this format, its pixels loaded, not yet turned (TIFF: turned).

    With `least`, a JPEG may be decoded at a half, a quarter or an eighth of its size, never
    below `least` in either side. Raises PictureError; what is cut off is never filled with grey.
    """
    with decoding():
        file.seek(0)
        image = _DECODERS[format_](_Bare(file))  # type: ignore[arg-type]  # Pillow only calls these four
        refuse_too_many_pixels(*image.size)
        if least is not None and isinstance(image, JpegImagePlugin.JpegImageFile):
            image.draft(None, least)
        image.load()
        return image
