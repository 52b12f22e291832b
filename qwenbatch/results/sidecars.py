"""The sidecars of results: written whole beside them, and never over a file that is not ours."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from qwenbatch.core.provenance import MOST_SIDECAR_BYTES, is_sidecar, sidecar_path, tells_of
from qwenbatch.results.disk import translated
from qwenbatch.results.folders import flush_folder
from qwenbatch.results.link import link
from qwenbatch.results.stage import USUAL_MODE

if TYPE_CHECKING:
    from pathlib import Path

    from qwenbatch.results.folders import OutFolders


def read_sidecar(path: Path) -> bytes | None:
    """What lies where a sidecar may lie; None if nothing does.

    What cannot be read, or is too long, counts as empty: not ours.
    """
    try:
        # A link or a pipe that lies there is not opened.
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError:
        return b""
    try:
        with open(file, "rb") as opened:  # noqa: PTH123 - a descriptor
            content = opened.read(MOST_SIDECAR_BYTES + 1)
    except OSError:
        return b""
    return content if len(content) <= MOST_SIDECAR_BYTES else b""


def write_sidecar(
    folders: OutFolders, result: str, content: bytes, *, mode: int = USUAL_MODE
) -> bool:
    """Put a sidecar beside a result, whole and flushed; False if what lies there is not ours.

    Raises DiskError.
    """
    target = folders.file(sidecar_path(result))
    there = read_sidecar(target)
    if there is not None and not is_sidecar(there):
        return False
    fresh = folders.scratch / f"{uuid4().hex}.json"
    with translated(target):
        try:
            _write(fresh, content, mode)
            if there is not None:
                fresh.replace(target)
            elif not link(fresh, target):
                return False
            flush_folder(target.parent)
        finally:
            fresh.unlink(missing_ok=True)
    return True


def drop_sidecar(folders: OutFolders, result: str, *, unless: bytes) -> None:
    """Remove a sidecar of ours that tells of another result than the one with this digest.

    A result that comes to `result`, relative to OUT, is not to be told of by what was there.
    Failing is no harm.
    """
    path = folders.file(sidecar_path(result))
    there = read_sidecar(path)
    if there is not None and is_sidecar(there) and not tells_of(there, unless):
        with suppress(OSError):
            path.unlink()


def _write(path: Path, content: bytes, mode: int) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        with suppress(OSError):
            # A file system that knows no modes.
            os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())
