"""A file system under SQLite whose flushes take a while, whatever the machine's own disk does."""

from __future__ import annotations

from time import sleep

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
    """The default file system under a name of its own; keep it as long as its files are open."""

    def __init__(self, name: str, delay: float) -> None:
        self._delay = delay
        self.name = name
        super().__init__(name, "")

    def xOpen(  # noqa: N802 - SQLite's own name
        self,
        name: str | apsw.URIFilename | None,
        flags: list[int],
    ) -> SlowFile:
        """Open a file whose flushes are slow."""
        return SlowFile("", name, flags, self._delay)
