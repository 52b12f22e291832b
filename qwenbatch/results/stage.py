"""A result on its way to the disk: a temporary file that is checked while it is written."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Protocol, Self

import anyio

from qwenbatch.core.results import Staged
from qwenbatch.results.disk import translated

if TYPE_CHECKING:
    from pathlib import Path

    from _typeshed import ReadableBuffer

    from qwenbatch.core.offload import Offload
    from qwenbatch.core.pictures import VerifiedPicture

HELD_BYTES = 384 * 1024
"""So much is gathered before it is checked and written, which takes its turn in a thread."""

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
    """One temporary file in `scratch`: digested, verified and written by large pieces, flushed.

    It is for us alone to read until it is finished, then of this mode, as results are. On leaving
    its context it is removed, unless it was renamed away.
    """

    def __init__(
        self, scratch: Path, verifier: Verifier, *, mode: int = USUAL_MODE, offload: Offload
    ) -> None:
        self.path = scratch / f"{os.urandom(16).hex()}.part"
        self._verifier = verifier
        self._mode = mode
        self._offload = offload
        self._digest = hashlib.sha256()
        self._size = 0
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._file: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        # A disk that went away takes neither; an error of this must not hide the first one's.
        with suppress(OSError):
            if self._file is not None:
                with anyio.CancelScope(shield=True):
                    await self._offload(partial(self._close, self._file))
            self.path.unlink(missing_ok=True)

    async def write(self, chunk: bytes) -> None:
        """Take the next bytes; DiskError if the disk does not take those that came so far."""
        self._held.append(chunk)
        self._held_bytes += len(chunk)
        if self._held_bytes >= HELD_BYTES or len(self._held) >= _MOST_PIECES:
            await self._offload(self._write_held)

    async def finish(self) -> Staged:
        """Verify and flush what was written; PictureError if it is no sound picture."""
        return await self._offload(self._finish)

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
        """Check what is held and write it, to a file that is made with the first of it."""
        held, self._held, self._held_bytes = self._held, [], 0
        for chunk in held:
            self._digest.update(chunk)
            self._verifier.feed(chunk)
            self._size += len(chunk)
        with translated(self.path):
            if self._file is None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                self._file = os.open(self.path, flags, 0o600)
            rest: list[ReadableBuffer] = [*held]
            while rest:
                # A disk that is nearly full takes a part, and refuses only the next.
                _drop(rest, os.writev(self._file, rest))
        return self._file

    def _close(self, file: int) -> None:
        self._file = None
        os.close(file)


def _drop(buffers: list[ReadableBuffer], count: int) -> None:
    """So many of the buffers' bytes are written."""
    while buffers and count >= (size := memoryview(buffers[0]).nbytes):
        count -= size
        del buffers[0]
    if count:
        buffers[0] = memoryview(buffers[0])[count:]
