"""A source read once: its digest, and what it holds."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, BinaryIO, Final, cast

import msgspec

from qwenbatch.core.pictures import Picture
from qwenbatch.core.sources import Problem
from qwenbatch.errors import PictureError
from qwenbatch.imaging.look import look

if TYPE_CHECKING:
    from io import RawIOBase


_PIECE_BYTES: Final = 256 * 1024
"""Small enough to lie in a core's cache from the reading to the hashing."""


class Examined(msgspec.Struct, frozen=True):
    """The SHA-256 (32 bytes) and length of a file, and either its picture or its problem."""

    sha256: bytes
    size: int
    picture: Picture | None
    problem: Problem | None


def examine(file: BinaryIO) -> Examined:
    """Hash all bytes of a seekable file in pieces, then look at the picture in it.

    OSError from reading passes through. Whether the file changed meanwhile is the caller's to
    tell, by fstat.
    """
    digest, size = _digest(file)
    try:
        picture = look(file, size)
    except PictureError as error:
        return Examined(digest, size, None, Problem(error.what, error.advice))
    return Examined(digest, size, picture, None)


def _digest(file: BinaryIO) -> tuple[bytes, int]:
    running = hashlib.sha256()
    size = 0
    buffer = memoryview(bytearray(_PIECE_BYTES))
    file.seek(0)
    while count := cast("RawIOBase", file).readinto(buffer):
        running.update(buffer[:count])
        size += count
    return running.digest(), size
