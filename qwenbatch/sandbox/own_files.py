"""Files of the sandbox's state: for its owner alone to read, whatever the umask says."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

for_owner_alone = partial(os.open, mode=0o600)
"""Opens files so, for `open`."""


def make_folder(folder: Path) -> None:
    """Makes a folder, if it is not there yet."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def write_file(path: Path, data: bytes) -> None:
    """Writes a whole file; one that was there already keeps its mode."""
    with open(path, "wb", opener=for_owner_alone) as file:
        file.write(data)
