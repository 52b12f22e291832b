"""Puts verified results into place: recorded first, then renamed, then flushed."""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from qwenbatch.errors import PictureError
from qwenbatch.results.disk import translated
from qwenbatch.results.folders import REPLACED, OutFolders, flush_folder, make_folder
from qwenbatch.results.link import NO_LINKS, link
from qwenbatch.results.occupancy import digest_of, stamp_of
from qwenbatch.results.sidecars import drop_sidecar
from qwenbatch.results.stage import USUAL_MODE, Stage, Verifier

if TYPE_CHECKING:
    from collections.abc import Callable

    from qwenbatch.core.keys import EditKey
    from qwenbatch.core.offload import Offload
    from qwenbatch.core.placements import FileStamp, Placement
    from qwenbatch.core.results import Staged

_CHUNK = 256 * 1024


class Writable(Protocol):
    """Takes a result, and says what it took."""

    async def write(self, chunk: bytes) -> None:
        """The next bytes."""

    async def finish(self) -> Staged:
        """What was written, verified and flushed; PictureError if it is no sound picture."""


class Shelf:
    """The results below one OUT. Every OSError of the disk becomes a DiskError.

    `saw` is told the size in bytes of each result that is put into place; `mode` is who may read
    results; the disk is waited for by `offload`.
    """

    def __init__(
        self,
        folders: OutFolders,
        verifier: Callable[[], Verifier],
        saw: Callable[[int], None],
        *,
        offload: Offload,
        mode: int = USUAL_MODE,
    ) -> None:
        self._folders = folders
        self._scratch = folders.scratch
        self._verifier = verifier
        self._saw = saw
        self._mode = mode
        self._offload = offload

    def stage(self) -> Stage:
        """A temporary file for one result; removed unless it is put into place."""
        return Stage(self._scratch, self._verifier(), mode=self._mode, offload=self._offload)

    async def copy_into(self, stage: Writable, placement: Placement) -> Staged | None:
        """A verified copy of the file of a placement, if it has the recorded digest still."""
        import aiofiles  # noqa: PLC0415 - only the rare copy is worth its import

        source = self._folders.file(placement.file)
        try:
            async with aiofiles.open(source, "rb", buffering=0) as file:
                while chunk := await file.read(_CHUNK):
                    await stage.write(chunk)
            copy = await stage.finish()
        except (OSError, PictureError):
            # Gone, unreadable or no picture any more: there may be another copy.
            return None
        return copy if copy.digest == placement.digest else None

    async def adopt(self, placement: Placement) -> FileStamp | None:
        """The stamp of the file that lies at a placement's path, if it has the recorded digest."""
        return await self._offload(partial(self._adopt, placement))

    async def keep(self, relative: str, to: str) -> None:
        """Give a file that is to make room its place in `replaced/` too, flushed."""
        await self._offload(partial(self._keep, relative, to))

    async def put(
        self,
        result: Staged,
        relative: str,
        *,
        displaced: tuple[str, str] | None,
        overwrite: bool,
    ) -> FileStamp | None:
        """Rename a staged result to a path relative to OUT and flush its folder.

        `displaced` names a file that makes room, and where it is kept, both relative to OUT. What
        lies at the path itself is overwritten only if `overwrite`; otherwise None is returned.
        """
        return await self._offload(
            partial(self._put, result, relative, displaced, overwrite=overwrite),
        )

    def replaced_path(self, key: EditKey, digest: bytes, suffix: str) -> str:
        """Where a result goes that makes room, relative to OUT: the same one has one place."""
        return f"{REPLACED}/{key.hex()[:16]}-{digest.hex()[:16]}.png{suffix}"

    async def forget(self, relative: str) -> None:
        """Remove a file in `replaced/` whose result is back in its place; failing is no harm."""
        with suppress(OSError):
            await self._offload(self._folders.file(relative).unlink)

    def clean(self) -> None:
        """Remove the temporary files that a death left behind; nothing depends on them."""
        with translated(self._scratch):
            for file in self._scratch.iterdir():
                file.unlink(missing_ok=True)

    def _adopt(self, placement: Placement) -> FileStamp | None:
        path = self._folders.file(placement.file)
        try:
            status = os.lstat(path)
            if placement.digest is None or not stat.S_ISREG(status.st_mode):
                return None
            if digest_of(path) != placement.digest:
                return None
        except OSError:
            return None
        return stamp_of(status)

    def _put(
        self,
        result: Staged,
        relative: str,
        displaced: tuple[str, str] | None,
        *,
        overwrite: bool,
    ) -> FileStamp | None:
        target = self._folders.file(relative)
        self._saw(result.size)
        with translated(target):
            make_folder(target.parent, top=self._folders.out)
            if displaced is not None:
                self._move_away(*displaced)
            drop_sidecar(self._folders, relative, unless=result.digest)
            if overwrite:
                Path(result.path).rename(target)
            elif not link(Path(result.path), target):
                return None
            stamp = stamp_of(target.stat())
            flush_folder(target.parent)
        return stamp

    def _keep(self, relative: str, to: str) -> None:
        file, refuge = self._folders.file(relative), self._folders.file(to)
        with translated(refuge), suppress(FileNotFoundError):
            make_folder(refuge.parent, top=self._folders.out)
            _double(file, refuge)
            flush_folder(refuge.parent)

    def _move_away(self, relative: str, to: str) -> None:
        """Let a file go once it is kept in `replaced/`; whatever else lies at its path stays."""
        file, refuge = self._folders.file(relative), self._folders.file(to)
        with suppress(FileNotFoundError):
            if not refuge.exists():
                self._keep(relative, to)
            if file.samefile(refuge) or digest_of(file) == digest_of(refuge):
                file.unlink()


def _double(file: Path, refuge: Path) -> None:
    """The same file at a second place, in place of what a death may have left there."""
    fresh = refuge.with_name(refuge.name + ".new")
    fresh.unlink(missing_ok=True)
    try:
        os.link(file, fresh)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        shutil.copy2(file, fresh)
        with fresh.open("rb") as copy:
            os.fsync(copy.fileno())
    fresh.replace(refuge)
    # Two names of one file are left as they are by a rename.
    fresh.unlink(missing_ok=True)
