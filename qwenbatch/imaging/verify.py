"""Results, checked while they arrive: what was paid for is placed only if it is sound.

A PNG is sound if every chunk's checksum is right, its header is sane and asks for at most
MAX_PIXELS, and its end mark is there; any other format if it decodes in full.
`VerifiedPicture.format` is the file extension that belongs to the format, in lower case and
without a dot: one of RESULT_EXTENSIONS' values ("png", "jpg", "webp", "gif", "bmp", "tiff").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qwenbatch.core.pictures import Format, VerifiedPicture
from qwenbatch.errors import PictureError
from qwenbatch.imaging.look import look, recognised
from qwenbatch.imaging.png_checker import PngChecker
from qwenbatch.imaging.strangers import HEAD_BYTES, stranger

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from qwenbatch.core.pictures import Picture

RESULT_EXTENSIONS: Final[Mapping[Format, str]] = {
    Format.PNG: "png",
    Format.JPEG: "jpg",
    Format.WEBP: "webp",
    Format.GIF: "gif",
    Format.BMP: "bmp",
    Format.TIFF: "tiff",
}
"""Format to `VerifiedPicture.format`."""

_PIECE_BYTES: Final = 256 * 1024
_FETCH_AGAIN: Final = "Fetch it again."


class ResultVerifier:
    """Fed with each piece of a result as it is downloaded, in order, from the first byte on.

    Memory is bounded by HEAD_BYTES. `feed` never raises: what is wrong is told by `finish`.
    """

    def __init__(self) -> None:
        self._head = bytearray()
        self._size = 0
        self._png = PngChecker()

    def feed(self, chunk: bytes) -> None:
        """Check the next piece, of any length."""
        self._size += len(chunk)
        if len(self._head) < HEAD_BYTES:
            self._head += chunk[: HEAD_BYTES - len(self._head)]
        # Whether it is a PNG at all is asked at the end; what is none soon stops the checker.
        self._png.feed(chunk)

    def finish(self, path: Path) -> VerifiedPicture:
        """What the whole result is; `path` holds the bytes that were fed.

        Raises PictureError, whose `what` completes "<name>: …", when it is not sound. `path` is
        read only if the result is no PNG; OSError from that passes through.
        """
        head = bytes(self._head)
        if not head:
            raise PictureError("is empty (0 bytes)", _FETCH_AGAIN)
        match recognised(head):
            case None:
                raise PictureError(stranger(head).what, _FETCH_AGAIN)
            case Format.PNG:
                return self._verified_png()
            case _:
                try:
                    return _decoded_whole(path, self._size)
                except PictureError as error:
                    raise PictureError(error.what, _FETCH_AGAIN) from error

    def _verified_png(self) -> VerifiedPicture:
        if self._png.problem is not None:
            raise PictureError(f"is damaged: as PNG, {self._png.problem}", _FETCH_AGAIN)
        header = self._png.header
        if header is None or not self._png.is_whole:
            raise PictureError(
                f"is cut off: its PNG data ends after {self._size:,} bytes, before its end mark",
                _FETCH_AGAIN,
            )
        return VerifiedPicture(RESULT_EXTENSIONS[Format.PNG], header.width, header.height)


def verify_file(path: Path) -> VerifiedPicture:
    """A file on the disk, verified as a result is; PictureError when it is not sound.

    OSError from reading passes through.
    """
    verifier = ResultVerifier()
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            verifier.feed(piece)
    return verifier.finish(path)


def _decoded_whole(path: Path, size: int) -> VerifiedPicture:
    with path.open("rb") as file:
        picture: Picture = look(file, size)
        # Only the rare result that is no PNG is worth Pillow's import.
        from qwenbatch.imaging.pixels.decode import decoded  # noqa: PLC0415 - see above

        decoded(file, picture.format)
    width, height = picture.width, picture.height
    return VerifiedPicture(RESULT_EXTENSIONS[picture.format], width, height)
