"""A path with nothing at it, and what beside it was surely meant."""

from __future__ import annotations

import os
from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING

from qwenbatch.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_NEIGHBOURS = 10_000
"""How many names of a folder are looked through for one like a missing one."""

_SUGGESTED = 3


def refuse_missing(path: Path) -> None:
    """ManifestError if there is nothing at a path, with the names that are like it."""
    if not os.path.exists(path):  # noqa: PTH110 - Path.exists raises for names that are too long
        raise missing(path.absolute())


def missing(path: Path) -> ManifestError:
    """That there is nothing at an absolute path, with the names that are like what is missing.

    They are names of the last folder on the way that is there, like the next part of the path.
    """
    last = path
    while not os.path.isdir(last.parent) and last.parent != last:  # noqa: PTH112 - never raises
        last = last.parent
    names = _names(last.parent)
    close = _like(last.name, names)
    if not close:
        lower = {name.lower(): name for name in names}
        close = [lower[near] for near in _like(last.name.lower(), lower)]
    advice = f"Did you mean {' or '.join(close)}?" if close else "Look for its spelling"
    what = "folder " if last != path else ""
    return ManifestError(f"There is no {what}{last.name} in {last.parent}", advice)


def _like(name: str, names: Iterable[str]) -> list[str]:
    """Names like this one, not by their extension alone: f.csv is not like nope.csv."""
    stem = os.path.splitext(name)[0]  # noqa: PTH122 - a name may be none that Path takes
    return [
        near
        for near in get_close_matches(name, names, n=_SUGGESTED)
        if get_close_matches(stem, [os.path.splitext(near)[0]])  # noqa: PTH122 - likewise
    ]


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in islice(entries, _NEIGHBOURS)]
    except OSError:
        return []
