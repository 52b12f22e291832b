"""The disk's side of an audit: results as they lie there, files left over, files not ours."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from qwenbatch.core.audit import FindingKind
from qwenbatch.errors import DiskError
from qwenbatch.results.occupancy import digest_of, stamp_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from qwenbatch.core.placements import Placement
    from qwenbatch.results.folders import OutFolders


def amiss(folders: OutFolders, placement: Placement) -> tuple[FindingKind, str] | None:
    """What is amiss with a saved result's file, and in words; None if it is as it was put there.

    A file with the recorded stamp is not read; another is, and told by its digest.
    """
    path = folders.file(placement.file)
    try:
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode):
            return FindingKind.ALTERED, "something else lies there: no regular file"
        if placement.stamp == stamp_of(status):
            return None
        same = placement.digest is not None and digest_of(path) == placement.digest
    except (FileNotFoundError, NotADirectoryError):
        return FindingKind.MISSING, "its file is gone"
    except OSError as error:
        return FindingKind.ALTERED, f"it cannot be read: {error.strerror}"
    return None if same else (FindingKind.ALTERED, "its content is not what was put there")


def leftovers(folders: OutFolders) -> Iterator[str]:
    """Temporary files, relative to OUT."""
    try:
        with os.scandir(folders.scratch) as entries:
            for entry in entries:
                yield f"{folders.scratch.relative_to(folders.out).as_posix()}/{entry.name}"
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unreadable(folders.scratch, error) from error


def foreign(folders: OutFolders, is_ours: Callable[[str], bool]) -> Iterator[str]:
    """Files below OUT, relative to it, that are neither hidden nor ours; links are not followed."""

    def refuse(error: OSError) -> None:
        raise _unreadable(error.filename, error)

    for folder, inner, files in os.walk(folders.out, onerror=refuse):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        way = os.path.relpath(folder, folders.out)
        for name in sorted(files):
            if not name.startswith("."):
                path = name if way == "." else f"{way}/{name}"
                if not is_ours(path):
                    yield path


def _unreadable(path: Path | str, error: OSError) -> DiskError:
    return DiskError(
        f"{path} cannot be read: {error.strerror}",
        "mend its permissions or the disk, then audit again",
    )
