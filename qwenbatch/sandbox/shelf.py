"""Where results lie until they are fetched."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections import deque
from pathlib import Path

from qwenbatch.sandbox.own_files import make_folder, write_file

MAX_TEMPORARY_RESULTS = 2_000
_NAME = re.compile(r"[0-9a-f-]{36}\.png")


class Shelf:
    """Keeps results as files: all of them in `folder`, or the last 2,000 in a temporary one.

    A temporary folder goes with the sandbox.
    """

    def __init__(self, folder: Path | None, *, most: int = MAX_TEMPORARY_RESULTS) -> None:
        self._temporary = folder is None
        self._folder = folder or Path(tempfile.mkdtemp(prefix="qwenbatch-sandbox-"))
        make_folder(self._folder)
        self._names: deque[str] = deque()
        self._most = most

    def close(self) -> None:
        """Removes a temporary folder."""
        if self._temporary:
            shutil.rmtree(self._folder, ignore_errors=True)

    def put(self, name: str, data: bytes) -> None:
        """Writes a result so that it is there whole or not at all."""
        part = self._folder / f"{name}.part"
        write_file(part, data)
        part.replace(self._folder / name)

    def remember(self, name: str) -> None:
        """Counts a result that was put; the oldest one goes where only the last are kept."""
        if not self._temporary:
            return
        self._names.append(name)
        if len(self._names) > self._most:
            (self._folder / self._names.popleft()).unlink(missing_ok=True)

    def get(self, name: str) -> bytes | None:
        """The result of this name; None if there is none (any more)."""
        if not _NAME.fullmatch(name):
            return None
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None
