"""Whether the disk has room for what is on its way."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from qwenbatch.results.disk import translated

if TYPE_CHECKING:
    from pathlib import Path

USUAL_BYTES = 8 * 1024 * 1024
"""Room that is kept for a result before a larger one has been seen."""


class Room:
    """The room left below one OUT; a result on its way takes it up so many times over."""

    def __init__(self, out: Path, *, copies: int = 1) -> None:
        self._out = out
        self._copies = copies
        self._largest = USUAL_BYTES

    def saw(self, size: int) -> None:
        """A result of so many bytes came."""
        self._largest = max(self._largest, size)

    def holds(self, results: int) -> bool:
        """Whether that many more results fit; DiskError if the disk is gone."""
        with translated(self._out):
            return shutil.disk_usage(self._out).free >= results * self._copies * self._largest
