"""Looks at what lies at an item's path, and tells it by its stamp or its digest."""

from __future__ import annotations

import hashlib
import os
import stat
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from qwenbatch.core.occupancy import Occupant
from qwenbatch.core.placements import FileStamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qwenbatch.core.holdings import Holding, Known
    from qwenbatch.core.keys import EditKey
    from qwenbatch.core.offload import Offload
    from qwenbatch.results.folders import OutFolders

_PIECE = 1024 * 1024


def stamp_of(status: os.stat_result) -> FileStamp:
    """What tells, without reading it, that a result's file is as we left it."""
    return FileStamp(size=status.st_size, mtime=status.st_mtime_ns, inode=status.st_ino)


def digest_of(path: Path) -> bytes:
    """A file's SHA-256, read in pieces."""
    running = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            running.update(piece)
    return running.digest()


class Records(Protocol):
    """What is known beside the path itself."""

    def known_files(self, path: str) -> list[Known]:
        """Every result that the ledger ever had, or prepared, for this path."""

    def is_source(self, absolute: str, device: int, inode: int) -> bool:
        """Whether a file is one that some row edits."""


class Occupancy:
    """Looks at the items' paths below one OUT."""

    def __init__(self, folders: OutFolders, records: Records, *, offload: Offload) -> None:
        self._records = records
        self._offload = offload
        self._out = str(folders.out)

    async def occupant(self, holding: Holding) -> tuple[Occupant, FileStamp | None]:
        """What lies at a row's path.

        The stamp is given where a result of ours was known by its digest only: it was copied,
        touched, or put into place just before a death.
        """
        (found,) = await self._offload(partial(self.occupants, (holding,)))
        return found

    def occupants(self, holdings: Sequence[Holding]) -> list[tuple[Occupant, FileStamp | None]]:
        """The same for many rows; the folders that they share are looked at once."""
        ways: dict[str, Occupant | None] = {}
        found = []
        for holding in holdings:
            try:
                found.append(self._look(holding, ways))
            except OSError:
                found.append((Occupant.UNREADABLE, None))
        return found

    def _look(
        self,
        holding: Holding,
        ways: dict[str, Occupant | None],
    ) -> tuple[Occupant, FileStamp | None]:
        owner = holding.owner
        path = holding.path + (owner.suffix if owner else holding.suffix)
        folder = path.rpartition("/")[0]
        if folder not in ways:
            ways[folder] = self._look_at_way(folder)
        way = ways[folder]
        if way is not None:
            return way, None
        absolute = f"{self._out}/{path}"
        try:
            status = os.lstat(absolute)
        except FileNotFoundError:
            return Occupant.NOTHING, None
        if not stat.S_ISREG(status.st_mode):
            return (Occupant.LINK if stat.S_ISLNK(status.st_mode) else Occupant.FOLDER), None
        if owner is not None and owner.stamp == stamp_of(status):
            return _ours(owner.key, holding.key), None
        if self._records.is_source(absolute, status.st_dev, status.st_ino):
            return Occupant.SOURCE, None
        return self._by_digest(holding, absolute, status)

    async def unrecorded(self, holding: Holding) -> Known | None:
        """Another edit's result at a row's path of which the ledger does not say that it is there.

        It was put there just before a death, or brought back by someone. Its `suffix` is that
        under which the file lies. None if the ledger knows of no such result, or it is gone.
        """
        return await self._offload(partial(self._unrecorded, holding))

    def _unrecorded(self, holding: Holding) -> Known | None:
        try:
            digest = digest_of(Path(f"{self._out}/{holding.path}{holding.suffix}"))
        except OSError:
            return None
        for known in self._records.known_files(holding.path):
            if known.digest == digest and known.key != holding.key:
                return msgspec.structs.replace(known, suffix=holding.suffix)
        return None

    def _by_digest(
        self,
        holding: Holding,
        absolute: str,
        status: os.stat_result,
    ) -> tuple[Occupant, FileStamp | None]:
        known = self._records.known_files(holding.path)
        if not known:
            return Occupant.FOREIGN, None
        digest = digest_of(Path(absolute))
        keys = {file.key for file in known if file.digest == digest}
        if keys:
            # Two edits may have made the very same picture: then it is this one's.
            key = holding.key if holding.key in keys else keys.pop()
            return _ours(key, holding.key), stamp_of(status)
        return (Occupant.ALTERED if holding.owner else Occupant.FOREIGN), None

    def _look_at_way(self, folder: str) -> Occupant | None:
        """What the way to a folder says of all in it: an obstacle, or that it is not there.

        None where each of them is to be looked at.
        """
        place = self._out
        for part in filter(None, folder.split("/")):
            place = f"{place}/{part}"
            try:
                mode = os.lstat(place).st_mode
            except FileNotFoundError:
                return Occupant.NOTHING
            if stat.S_ISLNK(mode):
                return Occupant.LINK
            if not stat.S_ISDIR(mode):
                return Occupant.FOLDER
        return None


def _ours(key: EditKey, wanted: EditKey) -> Occupant:
    return Occupant.THIS_RESULT if key == wanted else Occupant.OTHER_RESULT
