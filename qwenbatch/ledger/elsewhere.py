"""Where a ledger may be that is not where it was looked for."""

from __future__ import annotations

import os
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_LOOKED_THROUGH = 10_000
_NAMED = 3


def where_one_is(missing: Path) -> str:
    """What to do about a ledger that is missing from `OUT/.qwenbatch/`: what else OUT may be.

    Folders in what was taken for OUT are named if they hold a ledger; 10,000 are looked at.
    """
    own, out = missing.parent.name, missing.parent.parent
    try:
        with os.scandir(out) as entries:
            found = [
                entry.path
                for entry in islice(entries, _LOOKED_THROUGH)
                if os.path.isfile(f"{entry.path}/{own}/{missing.name}")  # noqa: PTH113 - no Path each
            ]
    except OSError:
        found = []
    if found:
        return f"did you mean {' or '.join(sorted(found)[:_NAMED])}?"
    return "name the folder that results went to: -o of run, or else out/<name of the source>"
