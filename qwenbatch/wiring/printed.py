"""Standard output, which may be a full disk, or a pipe whose reader has gone."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from qwenbatch.errors import DiskError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO


@contextmanager
def printed(to: TextIO) -> Iterator[None]:
    """Print on standard output, to the last byte: DiskError where it cannot be written.

    Where its reader went away nobody is left to tell: what is left to print goes nowhere.
    """
    try:
        yield
        to.flush()
    except OSError as error:
        lead_nowhere(to)
        if not isinstance(error, BrokenPipeError):
            raise DiskError(
                f"standard output cannot be written: {error.strerror or error}",
                "free room where it goes",
            ) from error


def lead_nowhere(to: TextIO) -> None:
    """Let what is left to print go nowhere: Python would fail over it once more at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(nowhere, to.fileno())
    os.close(nowhere)
