"""Who wants which default name, as far as rows have been read.

So the names of most rows are settled while they stream by, and few are renamed afterwards.

It only foresees what the rounds of naming over all rows would come to (see `engine/planner.py`),
and says nothing where it does not know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qwenbatch.core.keys import EditKey

MOST_NAMES = 50_000
"""So many names are remembered, about 20 MB; those of rows that come later are settled after."""


class NameClaims:
    """The names of one level that rows want, folded, each with the one edit that wants it."""

    def __init__(self, most: int = MOST_NAMES) -> None:
        self._most = most
        self._wanted: dict[str, tuple[EditKey, str] | None] = {}

    def is_contested(self, fold: str, key: EditKey, path: str) -> bool:
        """Claim a name for an edit; whether another edit, or another spelling, claimed it too."""
        wanted = self._wanted
        claim = wanted.get(fold, wanted)
        if claim is None:
            return True
        if claim is wanted:
            if len(wanted) < self._most:
                wanted[fold] = (key, path)
            return False
        if claim == (key, path):
            return False
        wanted[fold] = None
        return True
