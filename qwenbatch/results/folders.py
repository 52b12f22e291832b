"""The folders below OUT that are ours, and folders that are flushed."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path, PurePosixPath

import msgspec

from qwenbatch.core.paths import OWN_FOLDER

REPLACED = f"{OWN_FOLDER}/replaced"
"""Where results go that make room for another edit's, relative to OUT."""

_GROUP_AND_OTHERS = 0o077


class OutFolders(msgspec.Struct, frozen=True):
    """OUT, and what of ours is in it."""

    out: Path

    @property
    def own(self) -> Path:
        """Our folder, for us alone to read."""
        return self.out / OWN_FOLDER

    @property
    def scratch(self) -> Path:
        """Where results are staged until they are whole."""
        return self.own / "tmp"

    @property
    def answers(self) -> Path:
        """Where pictures lie that came within their answers, until they are in place."""
        return self.own / "answers"

    def make(self) -> None:
        """Make OUT, and our folders in it for us alone to read, durably.

        OSError if that cannot be done.
        """
        make_folder(self.out)
        for folder in (self.own, self.scratch, self.out / REPLACED):
            make_folder(folder, mode=0o700)
            if folder.stat().st_mode & _GROUP_AND_OTHERS:
                with suppress(OSError):
                    # A file system that knows no modes, or another's folder.
                    folder.chmod(0o700)

    def file(self, relative: str) -> Path:
        """A path relative to OUT as an absolute one."""
        return self.out / PurePosixPath(relative)


def flush_folder(folder: Path) -> None:
    """Make a folder's entries durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path, *, mode: int = 0o777, top: Path | None = None) -> None:
    """Make a folder and those above it, and flush each new one's parent.

    Below `top`, where it is given, only: that one must be there. The folder itself gets `mode`.
    """
    missing = []
    while folder != top and not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        new.mkdir(mode=mode if new == missing[0] else 0o777, exist_ok=True)
        flush_folder(new.parent)
