"""Looks at what lies at an item's path, and tells it by its stamp or its digest."""

from __future__ import annotations

import hashlib
import os
import stat
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import msgspec

from qwenbatch.core.occupancy import Occupant
from qwenbatch.core.placements import FileStamp

if TYPE_CHECKING:
    from pathlib import Path

    from qwenbatch.core.holdings import Holding, Known
    from qwenbatch.core.keys import EditKey
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

    def __init__(self, folders: OutFolders, records: Records) -> None:
        self._folders = folders
        self._records = records
        self._way = lru_cache(maxsize=10_000)(self._look_at_way)

    def occupant(self, holding: Holding) -> tuple[Occupant, FileStamp | None]:
        """What lies at a row's path.

        The stamp is given where a result of ours was known by its digest only: it was copied,
        touched, or put into place just before a death.
        """
        try:
            return self._look(holding)
        except OSError:
            return Occupant.UNREADABLE, None

    def unrecorded(self, holding: Holding) -> Known | None:
        """Another edit's result at a row's path of which the ledger does not say that it is there.

        It was put there just before a death, or brought back by someone. Its `suffix` is that
        under which the file lies. None if the ledger knows of no such result, or it is gone.
        """
        try:
            digest = digest_of(self._folders.file(holding.path + holding.suffix))
        except OSError:
            return None
        for known in self._records.known_files(holding.path):
            if known.digest == digest and known.key != holding.key:
                return msgspec.structs.replace(known, suffix=holding.suffix)
        return None

    def _look(self, holding: Holding) -> tuple[Occupant, FileStamp | None]:
        owner = holding.owner
        suffix = owner.suffix if owner else holding.suffix
        path = holding.path + suffix
        obstacle = self._way(path.rpartition("/")[0])
        if obstacle is not None:
            return obstacle, None
        absolute = self._folders.file(path)
        try:
            status = os.lstat(absolute)
        except FileNotFoundError:
            return Occupant.NOTHING, None
        if not stat.S_ISREG(status.st_mode):
            return (Occupant.LINK if stat.S_ISLNK(status.st_mode) else Occupant.FOLDER), None
        if owner is not None and owner.stamp == stamp_of(status):
            return _ours(owner.key, holding.key), None
        if self._records.is_source(str(absolute), status.st_dev, status.st_ino):
            return Occupant.SOURCE, None
        return self._by_digest(holding, absolute, status)

    def _by_digest(
        self,
        holding: Holding,
        absolute: Path,
        status: os.stat_result,
    ) -> tuple[Occupant, FileStamp | None]:
        known = self._records.known_files(holding.path)
        if not known:
            return Occupant.FOREIGN, None
        digest = digest_of(absolute)
        keys = {file.key for file in known if file.digest == digest}
        if keys:
            # Two edits may have made the very same picture: then it is this one's.
            key = holding.key if holding.key in keys else keys.pop()
            return _ours(key, holding.key), stamp_of(status)
        return (Occupant.ALTERED if holding.owner else Occupant.FOREIGN), None

    def _look_at_way(self, folder: str) -> Occupant | None:
        """What on the way to a folder makes it unusable; it need not exist."""
        place = self._folders.out
        for part in filter(None, folder.split("/")):
            place = place / part
            try:
                mode = os.lstat(place).st_mode
            except FileNotFoundError:
                return None
            if stat.S_ISLNK(mode):
                return Occupant.LINK
            if not stat.S_ISDIR(mode):
                return Occupant.FOLDER
        return None


def _ours(key: EditKey, wanted: EditKey) -> Occupant:
    return Occupant.THIS_RESULT if key == wanted else Occupant.OTHER_RESULT
