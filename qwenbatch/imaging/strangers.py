"""Files of other kinds that turn up among pictures, and what to do about each."""

from __future__ import annotations

from typing import Final

import msgspec

from qwenbatch.errors import PictureError

HEAD_BYTES: Final = 512
"""How much of a file's beginning is enough to know a stranger."""

_EXPORT: Final = "Export it as JPEG or PNG."
_JPEG_2000: Final = "is a JPEG 2000 picture, which the service does not take"
_JPEG_XL: Final = "is a JPEG XL picture, which the service does not take"
_DEVELOP: Final = "Develop it and export it as JPEG or TIFF."
_FETCH: Final = "The picture itself was never fetched: get it again from where it came from."
_HEIC: Final = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"),
)
_AVIF: Final = frozenset((b"avif", b"avis"))


class _Mark(msgspec.Struct, frozen=True):
    offset: int
    magic: bytes
    what: str
    advice: str


_MARKS: Final = (
    _Mark(0, b"%PDF", "is a PDF document", "Export its page as JPEG or PNG."),
    _Mark(0, b"%!PS", "is a PostScript document", "Export its page as JPEG or PNG."),
    _Mark(0, b"8BPS", "is a Photoshop document", _EXPORT),
    _Mark(0, b"gimp xcf", "is a GIMP document", _EXPORT),
    _Mark(0, b"FUJIFILMCCD-RAW", "is a camera's raw file", _DEVELOP),
    _Mark(0, b"IIRO", "is a camera's raw file", _DEVELOP),
    _Mark(0, b"IIRS", "is a camera's raw file", _DEVELOP),
    _Mark(0, b"IIU\0", "is a camera's raw file", _DEVELOP),
    _Mark(0, b"\xff\x0a", _JPEG_XL, _EXPORT),
    _Mark(4, b"JXL \r\n", _JPEG_XL, _EXPORT),
    _Mark(4, b"jP  \r\n", _JPEG_2000, _EXPORT),
    _Mark(0, b"\xff\x4f\xff\x51", _JPEG_2000, _EXPORT),
    _Mark(0, b"\0\0\x01\0", "is an icon, which the service does not take", _EXPORT),
    _Mark(0, b"\x1aE\xdf\xa3", "is a video", "Export a frame of it as JPEG or PNG."),
    _Mark(8, b"AVI ", "is a video", "Export a frame of it as JPEG or PNG."),
    _Mark(0, b"PK\x03\x04", "is a ZIP archive", "Unpack it and give the pictures in it."),
)


def stranger(head: bytes) -> PictureError:
    """The error for a file that begins with `head` and has none of the formats taken."""
    if head[4:8] == b"ftyp":
        return _of_brand(head)
    for mark in _MARKS:
        if head.startswith(mark.magic, mark.offset):
            return PictureError(mark.what, mark.advice)
    return written_text(head) or PictureError(
        "is no picture in a format that the service takes (JPG, PNG, BMP, TIFF, WEBP, GIF)",
        _EXPORT,
    )


def written_text(head: bytes) -> PictureError | None:
    """The error for SVG, a web page or JSON; None for anything else."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(b"<"):
        if b"<svg" in text:
            return PictureError("is an SVG drawing", _EXPORT)
        if b"html" in text:
            return PictureError("is a web page, no picture", _FETCH)
        return PictureError("is a text in XML, no picture", _FETCH)
    if text.startswith((b"{", b"[")):
        return PictureError("is a text in JSON, no picture", _FETCH)
    return None


def _of_brand(head: bytes) -> PictureError:
    """What an ISO media file is, by its main and then its compatible brands (ISO 14496-12)."""
    length = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, length - 3, 4))}
    if brands & _AVIF:
        return PictureError(
            "is an AVIF picture, which the service does not take",
            "Convert it: `avifdec in.avif out.png` (from libavif), or export it as JPEG.",
        )
    if brands & _HEIC:
        return PictureError(
            "is a HEIC picture, which the service does not take",
            "Convert it: `heif-convert in.heic out.jpg` (from libheif), or export it as JPEG.",
        )
    if head[8:12] == b"crx ":
        return PictureError("is a camera's raw file", _DEVELOP)
    return PictureError("is a video", "Export a frame of it as JPEG or PNG.")
