"""A file system under SQLite whose flushes take a while, whatever the machine's own disk does."""

from __future__ import annotations

from time import sleep
from typing import Self

import apsw


class SlowFile(apsw.VFSFile):
    """A file whose flush takes `delay` seconds longer."""

    def __init__(
        self,
        base: str,
        name: str | apsw.URIFilename | None,
        flags: list[int],
        delay: float,
    ) -> None:
        super().__init__(base, name, flags)
        self._delay = delay

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's own name
        """Wait, and flush."""
        sleep(self._delay)
        super().xSync(flags)


class SlowDisk(apsw.VFS):
    """What SQLite opens files by while this is held, unless told: its usual way, but slower."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._usual = apsw.vfs_names()[0]
        super().__init__("slow", self._usual, makedefault=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.unregister()

    def xOpen(  # noqa: N802 - SQLite's own name
        self,
        name: str | apsw.URIFilename | None,
        flags: list[int],
    ) -> SlowFile:
        """Open a file whose flushes are slow."""
        return SlowFile(self._usual, name, flags, self._delay)
