"""Which files of a folder are pictures: by name, else by their first bytes."""

from __future__ import annotations

import os
import re

_is_picture_name = re.compile(
    r".*\.(?:jpe?g|jpe|jfif|png|bmp|tiff?|webp|gif|hei[cf]|avif)", re.IGNORECASE | re.DOTALL
).fullmatch

_is_raw_name = re.compile(
    r".*\.(?:3fr|arw|cr2|cr3|dcr|dng|erf|iiq|kdc|mef|mos|nef|nrw|orf|pef|raf|rw2|sr2|srw)",
    re.IGNORECASE | re.DOTALL,
).fullmatch

_HEAD_BYTES = 18
_BMP_HEADER_SIZES = (12, 16, 40, 52, 56, 64, 108, 124)
_MAGICS = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"II*\0",
    b"MM\0*",
    b"GIF87a",
    b"GIF89a",
)


def is_picture_name(name: str) -> bool:
    """Whether a name is that of a picture; of HEIC and AVIF too, so that they are told of."""
    return _is_picture_name(name) is not None


def is_picture_file(path: str) -> bool:
    """Whether a regular file begins like one of the formats that the gateway takes.

    A camera's raw file is none, though it begins like a TIFF: its first picture is a thumbnail.
    A file that cannot be read is none.
    """
    if _is_raw_name(path):
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return is_picture_head(os.read(descriptor, _HEAD_BYTES))
    except OSError:
        return False
    finally:
        os.close(descriptor)


def is_picture_head(head: bytes) -> bool:
    """Whether these first bytes, 18 of them where there are as many, are a picture's."""
    if head.startswith(_MAGICS) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return True
    return (
        head[:2] == b"BM"
        and head[6:10] == b"\0\0\0\0"
        and int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES
    )
