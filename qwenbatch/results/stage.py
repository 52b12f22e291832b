"""A result on its way to the disk: a temporary file that is checked while it is written."""

from __future__ import annotations

import hashlib
import os
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

import anyio
import anyio.to_thread

from qwenbatch.core.results import Staged
from qwenbatch.results.disk import translated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from _typeshed import ReadableBuffer

    from qwenbatch.core.pictures import VerifiedPicture

HELD_BYTES = 768 * 1024
"""So much is gathered before it is written: each write takes its turn in a thread."""

_MOST_PIECES = 256
"""Pieces that one system call takes at the most; systems take 1,024."""


USUAL_MODE = 0o644
"""Results are the user's: others may read them, unless told."""


class Verifier(Protocol):
    """Checks a picture while it passes by."""

    def feed(self, chunk: bytes) -> None:
        """The next bytes of the picture."""

    def finish(self, path: Path) -> VerifiedPicture:
        """The picture, if it is whole and sound; PictureError otherwise."""


class Stage:
    """One temporary file: digested and verified piece by piece, written by larger ones, flushed."""

    def __init__(self, path: Path, verifier: Verifier, mode: int) -> None:
        self.path = path
        self._verifier = verifier
        self._mode = mode
        self._digest = hashlib.sha256()
        self._size = 0
        self._held: list[ReadableBuffer] = []
        self._held_bytes = 0
        self._file: int | None = None

    async def write(self, chunk: bytes) -> None:
        """Take the next bytes; DiskError if the disk does not take those that came so far."""
        self._digest.update(chunk)
        self._verifier.feed(chunk)
        self._size += len(chunk)
        self._held.append(chunk)
        self._held_bytes += len(chunk)
        if self._held_bytes >= HELD_BYTES or len(self._held) >= _MOST_PIECES:
            await anyio.to_thread.run_sync(self._write_held)

    async def finish(self) -> Staged:
        """Verify and flush what was written; PictureError if it is no sound picture."""
        return await anyio.to_thread.run_sync(self._finish)

    async def close(self) -> None:
        """Close the file, if it was not finished."""
        if self._file is not None:
            await anyio.to_thread.run_sync(self._close, self._file)

    def _finish(self) -> Staged:
        file = self._write_held()
        picture = self._verifier.finish(self.path)
        with translated(self.path):
            with suppress(OSError):
                # A file system that knows no modes: there nobody can be kept out, or let in.
                os.fchmod(file, self._mode)
            os.fsync(file)
            self._close(file)
        return Staged(
            path=str(self.path),
            digest=self._digest.digest(),
            size=self._size,
            extension=picture.format,
            width=picture.width,
            height=picture.height,
        )

    def _write_held(self) -> int:
        """Write what is held, to a file that is made with the first of it."""
        with translated(self.path):
            if self._file is None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                self._file = os.open(self.path, flags, 0o600)
            while self._held:
                # A disk that is nearly full takes a part, and refuses only the next.
                self._drop(os.writev(self._file, self._held))
        self._held_bytes = 0
        return self._file

    def _drop(self, count: int) -> None:
        """So many of the bytes that were held are written."""
        while self._held and count >= (size := memoryview(self._held[0]).nbytes):
            count -= size
            del self._held[0]
        if count:
            self._held[0] = memoryview(self._held[0])[count:]

    def _close(self, file: int) -> None:
        self._file = None
        os.close(file)


@asynccontextmanager
async def staged(
    scratch: Path, verifier: Verifier, *, mode: int = USUAL_MODE
) -> AsyncIterator[Stage]:
    """A new temporary file; it is removed unless it was renamed away.

    It is for us alone to read until it is finished, then of this mode, as results are.
    """
    stage = Stage(scratch / f"{uuid4().hex}.part", verifier, mode)
    try:
        yield stage
    finally:
        # A disk that went away takes neither; an error of this must not hide the first one's.
        with suppress(OSError):
            with anyio.CancelScope(shield=True):
                await stage.close()
            stage.path.unlink(missing_ok=True)
