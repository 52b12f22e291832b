"""The pictures of a report on the disk: each made once, kept by the digest of what it shows."""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from qwenbatch.core.report_files import PICTURES, is_copy_name
from qwenbatch.errors import DiskError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet
    from pathlib import Path

_HEAD_BYTES = 12


class Copies:
    """The folder of a report's pictures. Its methods may be called from several threads."""

    def __init__(self, out: Path) -> None:
        self._folder = out / PICTURES

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make the folder and hold it for one report alone.

        Raises UsageError if another report is being made, DiskError if it cannot be made.
        """
        with _translated(self._folder):
            self._folder.mkdir(exist_ok=True)
            descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(
                    f"another report is being made in {self._folder.parent}",
                    "wait until it is done",
                ) from None
            except OSError:
                # Some network file systems know no locks: then nobody is kept out.
                pass
            yield
        finally:
            os.close(descriptor)

    def has(self, name: str) -> bool:
        """Whether a copy is there and whole: a WebP states its own length."""
        try:
            with (self._folder / name).open("rb") as file:
                head = file.read(_HEAD_BYTES)
                size = os.fstat(file.fileno()).st_size
        except OSError:
            return False
        stated = int.from_bytes(head[4:8], "little") + 8
        return head[:4] == b"RIFF" and head[8:] == b"WEBP" and stated == size

    def keep(self, name: str, picture: bytes) -> None:
        """Put a copy into the folder, whole or not at all; DiskError if the disk does not take it.

        It is not flushed: `has` tells one that a power cut left torn, and it is made again.
        """
        fresh = self._folder / f".{secrets.token_hex(8)}.tmp"
        with _translated(self._folder):
            try:
                fresh.write_bytes(picture)
                fresh.replace(self._folder / name)
            finally:
                fresh.unlink(missing_ok=True)

    def drop_others(self, kept: AbstractSet[str]) -> None:
        """Remove copies that the report does not show, and what was left half written.

        What has not the name of a copy is not ours, and stays.
        """
        with _translated(self._folder), os.scandir(self._folder) as entries:
            for entry in entries:
                ours = is_copy_name(entry.name) or _is_scratch(entry.name)
                if ours and entry.name not in kept and _is_file(entry):
                    with suppress(FileNotFoundError):
                        os.unlink(entry.path)  # noqa: PTH108 - thousands of them


def _is_scratch(name: str) -> bool:
    return name.startswith(".") and name.endswith(".tmp")


def _is_file(entry: os.DirEntry[str]) -> bool:
    return stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DiskError(
            f"{path} cannot be written: {error.strerror or error}",
            "free room, or mend its permissions; what was made is kept",
        ) from error
