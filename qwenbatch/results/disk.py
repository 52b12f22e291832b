"""The disk's errors as ours."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from qwenbatch.errors import DiskError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Every OSError in here becomes a DiskError that names the path."""
    try:
        yield
    except OSError as error:
        raise DiskError(
            f"{path} cannot be written: {error.strerror or error}",
            "free room or mend the disk, then start the same command again: it resumes",
        ) from error
