"""A result on its way to the disk: a temporary file that is checked while it is written."""

from __future__ import annotations

import hashlib
import os
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

import aiofiles
import anyio

from qwenbatch.core.results import Staged
from qwenbatch.results.disk import translated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiofiles.threadpool.binary import AsyncFileIO

    from qwenbatch.core.pictures import VerifiedPicture


USUAL_MODE = 0o644
"""Results are the user's: others may read them, unless told."""

_for_us_alone = partial(os.open, mode=0o600)


class Verifier(Protocol):
    """Checks a picture while it passes by."""

    def feed(self, chunk: bytes) -> None:
        """The next bytes of the picture."""

    def finish(self, path: Path) -> VerifiedPicture:
        """The picture, if it is whole and sound; PictureError otherwise."""


class Stage:
    """One temporary file: written, digested and verified chunk by chunk, then flushed."""

    def __init__(self, path: Path, file: AsyncFileIO, verifier: Verifier, mode: int) -> None:
        self.path = path
        self._file = file
        self._verifier = verifier
        self._mode = mode
        self._digest = hashlib.sha256()
        self._size = 0

    async def write(self, chunk: bytes) -> None:
        """Take the next bytes; DiskError if the disk does not."""
        with translated(self.path):
            rest = memoryview(chunk)
            while rest:
                # A disk that is nearly full takes a part, and refuses only the next.
                rest = rest[await self._file.write(rest) :]
        self._digest.update(chunk)
        self._verifier.feed(chunk)
        self._size += len(chunk)

    async def finish(self) -> Staged:
        """Verify and flush what was written; PictureError if it is no sound picture."""
        picture = await anyio.to_thread.run_sync(self._verifier.finish, self.path)
        with translated(self.path):
            await anyio.to_thread.run_sync(self._flush, self._file.fileno())
        return Staged(
            path=str(self.path),
            digest=self._digest.digest(),
            size=self._size,
            extension=picture.format,
            width=picture.width,
            height=picture.height,
        )

    def _flush(self, descriptor: int) -> None:
        with suppress(OSError):
            # A file system that knows no modes: there nobody can be kept out, or let in.
            os.fchmod(descriptor, self._mode)
        os.fsync(descriptor)


@asynccontextmanager
async def staged(
    scratch: Path, verifier: Verifier, *, mode: int = USUAL_MODE
) -> AsyncIterator[Stage]:
    """A new temporary file; it is removed unless it was renamed away.

    It is for us alone to read until it is finished, then of this mode, as results are.
    """
    path = scratch / f"{uuid4().hex}.part"
    try:
        with translated(path):
            file = await aiofiles.open(path, "xb", buffering=0, opener=_for_us_alone)
        try:
            yield Stage(path, file, verifier, mode)
        finally:
            with anyio.CancelScope(shield=True):
                await file.close()
    finally:
        path.unlink(missing_ok=True)
