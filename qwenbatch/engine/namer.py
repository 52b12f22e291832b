"""Gives rows that name no output their default names, page by page as they are read.

By the rules all rows get the shortest name first, and those that clash go one level on, round
after round (see `engine/planner.py`). What a round would come to is mostly plain from the rows
that were read so far: such a row takes its later name at once. The names that it passed by are
kept, for the rows that wanted them too must go on as well.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from qwenbatch.core.claims import NameClaims
from qwenbatch.core.naming import NameLevel, default_output
from qwenbatch.core.paths import fold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from qwenbatch.core.keys import EditKey
    from qwenbatch.core.paths import Template
    from qwenbatch.core.plan import KeyedRow


class Name(msgspec.Struct, frozen=True, gc=False):
    """A row's path relative to OUT, folded too; the level is -1 where the row asks for it."""

    path: str
    fold: str
    level: int


class Namer:
    """Names the rows of one plan. `held` tells which paths edits hold by the ledger."""

    def __init__(
        self,
        template: Template | None,
        held: Callable[[Iterable[EditKey]], set[tuple[EditKey, str]]],
    ) -> None:
        self._template = template
        self._held = held
        self._stems, self._wholes = NameClaims(), NameClaims()
        self.passed: set[tuple[int, str]] = set()
        """Names, by level and folded, that rows passed by because other edits want them too."""

    def default(self, keyed: KeyedRow, level: NameLevel) -> str:
        """A row's default name of a level."""
        return default_output(
            mirror=keyed.row.mirror,
            level=level,
            key_hex=keyed.key.hex(),
            template=self._template,
            id=keyed.row.id,
            take=keyed.row.take,
        )

    def names(self, page: Sequence[KeyedRow]) -> list[Name]:
        """The names that these rows have for now; an output that a row asks for is its name."""
        names = []
        contested = []
        is_contested = self._stems.is_contested
        for place, keyed in enumerate(page):
            output = keyed.row.output
            if output is not None:
                names.append(Name(output, fold(output), -1))
                continue
            name = self._name(keyed, NameLevel.STEM)
            names.append(name)
            if is_contested(name.fold, keyed.key, name.path):
                contested.append(place)
        if contested:
            held = self._held([page[place].key for place in contested])
            for place in contested:
                names[place] = self._go_on(page[place], names[place], held)
        return names

    def _go_on(self, keyed: KeyedRow, name: Name, held: set[tuple[EditKey, str]]) -> Name:
        """The name after a contested one, and the next if that is contested too."""
        if held and (keyed.key, name.path) in held:
            return name
        self.passed.add((0, name.fold))
        name = self._name(keyed, NameLevel.WHOLE)
        if not self._wholes.is_contested(name.fold, keyed.key, name.path):
            return name
        if held and (keyed.key, name.path) in held:
            return name
        self.passed.add((1, name.fold))
        return self._name(keyed, NameLevel.KEYED)

    def _name(self, keyed: KeyedRow, level: NameLevel) -> Name:
        if self._template is None and level is not NameLevel.KEYED:
            return _mirrored(keyed.row.mirror)[level]
        path = self.default(keyed, level)
        return Name(path, fold(path), int(level))


@lru_cache(maxsize=4096)
def _mirrored(mirror: str) -> tuple[Name, Name]:
    """The names that follow from the source's place alone: many rows may edit one source."""
    stem, whole = (
        default_output(mirror=mirror, level=level, key_hex="")
        for level in (NameLevel.STEM, NameLevel.WHOLE)
    )
    return Name(stem, fold(stem), 0), Name(whole, fold(whole), 1)
