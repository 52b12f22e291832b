"""Sources where they lie: opened, told apart by their stamp, and examined."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO

import pybase64

from qwenbatch.core.items import FileSource, InlineSource
from qwenbatch.core.sources import Problem, SourceFacts, SourceStamp
from qwenbatch.errors import PictureError
from qwenbatch.imaging.probe import examine

if TYPE_CHECKING:
    from collections.abc import Iterator

LocalSource = FileSource | InlineSource
"""A source whose bytes we send ourselves."""


def stamp_of(status: os.stat_result) -> SourceStamp:
    """What tells, without reading it, that a file is as it was."""
    return SourceStamp(
        size=status.st_size,
        mtime=status.st_mtime_ns,
        ctime=status.st_ctime_ns,
        inode=status.st_ino,
    )


def file_of(source: LocalSource) -> str:
    """The file in which a source's bytes lie: its own, or the manifest."""
    return source.path if isinstance(source, FileSource) else source.manifest


def open_file(path: str) -> BinaryIO:
    """Open a source's file, unbuffered; PictureError if it is missing, or no regular file.

    Not blocking: opening a pipe that is named like a picture would wait for its writer.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise PictureError("there is no such file", "check the path, and its case") from None
    except OSError as error:
        raise PictureError(f"it cannot be read: {error.strerror}") from error
    file = os.fdopen(descriptor, "rb", buffering=0)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        file.close()
        kind = "a folder" if stat.S_ISDIR(mode) else "no regular file"
        raise PictureError(f"it is {kind}, not a picture")
    return file


@contextmanager
def opened(source: LocalSource) -> Iterator[tuple[BinaryIO, SourceStamp]]:
    """A source's bytes as a seekable file, and the stamp of the file in which they lie."""
    with open_file(file_of(source)) as file:
        stamp = stamp_of(os.fstat(file.fileno()))
        if isinstance(source, InlineSource):
            yield BytesIO(inline_bytes(file, source)), stamp
        else:
            yield file, stamp


def inline_bytes(manifest: BinaryIO, source: InlineSource) -> bytes:
    """The bytes of a data URI in a manifest; at most 16 MiB, for no line is longer."""
    text = os.pread(manifest.fileno(), source.length, source.offset).replace(rb"\/", b"/")
    try:
        return pybase64.b64decode(text, validate=True)
    except ValueError as error:
        raise PictureError(f"its data URI is not base64: {error}") from error


def examine_source(source: LocalSource) -> SourceFacts | Problem:
    """Read a source once: its digest and what it holds, or why it cannot be read."""
    try:
        with opened(source) as (file, stamp):
            examined = examine(file)
        with open_file(file_of(source)) as again:
            unchanged = stamp_of(os.fstat(again.fileno())) == stamp
    except PictureError as error:
        return Problem(error.what, error.advice)
    except OSError as error:
        return Problem(f"it cannot be read: {error.strerror or error}")
    if not unchanged:
        advice = "let it come to rest, then run again"
        return Problem("it changed while it was read", advice, passing=True)
    return SourceFacts(
        digest=examined.sha256,
        stamp=stamp,
        picture=examined.picture,
        problem=examined.problem,
    )
