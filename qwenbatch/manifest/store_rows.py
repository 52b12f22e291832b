"""Rows of a folder in an object store: its pictures, in the order in which the store lists them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import msgspec

from qwenbatch.core.items import ObjectSource, Row
from qwenbatch.core.paths import OWN_FOLDER
from qwenbatch.core.store_url import StoreUrl
from qwenbatch.manifest.fields import Stated, judge
from qwenbatch.manifest.picture_names import is_picture_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qwenbatch.core.items import BadRow, RowDefaults

_OWN = OWN_FOLDER + "/"


class StoreFolder(msgspec.Struct, frozen=True):
    """A folder in a store, and how it is looked at.

    `listed` gives the keys of the objects in it, relative to it, in the order of their bytes;
    `holds` says whether anything lies below a folder in it.
    """

    url: StoreUrl
    listed: Callable[[], Iterable[str]]
    holds: Callable[[str], bool]


def store_rows(
    folder: StoreFolder, defaults: RowDefaults, out: StoreUrl | None
) -> Iterator[Row | BadRow]:
    """A row for each picture below a folder in a store.

    Left out are OUT, names that begin with a dot, folders that hold `.qwenbatch`, and objects that
    are no pictures by their names. Raises what looking at the folder raises.
    """
    left_out = _OutFolders(folder)
    number = 0
    for key in folder.listed():
        if left_out.hold(key) or key.startswith(".") or "/." in key or not is_picture_name(key):
            continue
        place = folder.url / key
        if out is not None and out.holds(place):
            continue
        number += 1
        source = ObjectSource(str(place))
        stated = Stated(number=number, line=0, image=key, source=source, mirror=key)
        yield judge(stated, base=str(folder.url), defaults=defaults)


class _OutFolders:
    """The folders on the way to the last key that are some run's OUT."""

    def __init__(self, folder: StoreFolder) -> None:
        self._folder = folder
        self._way: list[tuple[str, bool]] = []

    def hold(self, key: str) -> bool:
        """Whether a key lies in one; keys are asked for in their order.

        `.qwenbatch` comes first in its folder but for names that begin with few other signs; only
        where such a one came first is the store asked.
        """
        parts = key.split("/")[:-1]
        shared = 0
        while shared < min(len(parts), len(self._way)) and self._way[shared][0] == parts[shared]:
            shared += 1
        del self._way[shared:]
        for depth in range(shared, len(parts)):
            inner = "/".join(parts[: depth + 1]) + "/"
            first = key[len(inner) :]
            is_out = first.startswith(_OWN) or (first < _OWN and self._folder.holds(inner + _OWN))
            self._way.append((parts[depth], is_out))
        return any(is_out for _, is_out in self._way)
