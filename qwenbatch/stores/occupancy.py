"""Looks at what lies at items' paths in a store, and tells it by its stamp or its digest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import anyio.from_thread
import anyio.to_thread
import msgspec

from qwenbatch.core.occupancy import Occupant
from qwenbatch.core.store_url import MOST_KEY_BYTES
from qwenbatch.errors import StoreError
from qwenbatch.stores.crowd import each
from qwenbatch.stores.looking import look_at
from qwenbatch.stores.shelf import has_stamp, stamp_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qwenbatch.core.holdings import Holding, Known
    from qwenbatch.core.keys import EditKey
    from qwenbatch.core.placements import FileStamp
    from qwenbatch.core.store_url import StoreUrl
    from qwenbatch.stores.bucket import Bucket
    from qwenbatch.stores.sight import Sight

_READ_AT_ONCE = 32
_NO_FILE = -1

_ROOM = 8
"""Bytes that a key leaves for an extension, should a result be of another format."""


class Records(Protocol):
    """What is known beside the path itself."""

    def known_files(self, path: str) -> list[Known]:
        """Every result that the ledger ever had, or prepared, for this path."""

    def is_source(self, absolute: str, device: int, inode: int) -> bool:
        """Whether a file is one that some row edits."""


class StoreOccupancy:
    """Looks at the items' paths below one OUT in a store."""

    def __init__(self, bucket: Bucket, out: StoreUrl, records: Records) -> None:
        self._bucket = bucket
        self._out = out
        self._records = records

    def occupants(self, holdings: Sequence[Holding]) -> list[tuple[Occupant, FileStamp | None]]:
        """What lies at many rows' paths.

        To be called in a thread that anyio started. Raises StoreError.
        """
        return anyio.from_thread.run(self._occupants, holdings)

    async def occupant(self, holding: Holding) -> tuple[Occupant, FileStamp | None]:
        """What lies at a row's path; UNREADABLE where the store does not say.

        The stamp is given where a result of ours was known by its digest only.
        """
        try:
            found = await self._occupants((holding,))
        except StoreError:
            return Occupant.UNREADABLE, None
        return found[0]

    async def unrecorded(self, holding: Holding) -> Known | None:
        """Another edit's result at a row's path of which the ledger does not say that it is there.

        Its `suffix` is that under which the object lies. None if the ledger knows of no such
        result, or it is gone.
        """
        try:
            digest = await self._bucket.digest(self._key(holding.path + holding.suffix))
        except StoreError:
            return None
        for known in await anyio.to_thread.run_sync(self._records.known_files, holding.path):
            if known.digest == digest and known.key != holding.key:
                return msgspec.structs.replace(known, suffix=holding.suffix)
        return None

    async def _occupants(
        self, holdings: Sequence[Holding]
    ) -> list[tuple[Occupant, FileStamp | None]]:
        keys = [self._key(_path(holding)) for holding in holdings]
        sights = await look_at(self._bucket, [key for key in keys if _fits(key)])
        found: dict[int, tuple[Occupant, FileStamp | None]] = {}
        unknown: list[tuple[int, Sight]] = []
        for number, (holding, key) in enumerate(zip(holdings, keys, strict=True)):
            sight, owner = sights.get(key), holding.owner
            if not _fits(key):
                found[number] = Occupant.TOO_LONG, None
            elif sight is None:
                found[number] = Occupant.NOTHING, None
            elif owner is not None and has_stamp(sight, owner.stamp):
                found[number] = _ours(holding, {owner.key}), None
            else:
                unknown.append((number, sight))

        async def tell(one: tuple[int, Sight]) -> None:
            number, sight = one
            found[number] = await self._by_digest(holdings[number], keys[number], sight)

        await each(unknown, tell, at_once=_READ_AT_ONCE)
        return [found[number] for number in range(len(holdings))]

    async def _by_digest(
        self, holding: Holding, key: str, sight: Sight
    ) -> tuple[Occupant, FileStamp | None]:
        place = self._bucket.place(key)
        is_source = self._records.is_source
        if await anyio.to_thread.run_sync(is_source, place, _NO_FILE, _NO_FILE):
            return Occupant.SOURCE, None
        known = await anyio.to_thread.run_sync(self._records.known_files, holding.path)
        if not known:
            return Occupant.FOREIGN, None
        digest = await self._bucket.digest(key)
        keys = {one.key for one in known if one.digest == digest}
        if keys:
            return _ours(holding, keys), stamp_of(sight)
        return (Occupant.ALTERED if holding.owner else Occupant.FOREIGN), None

    def _key(self, relative: str) -> str:
        return (self._out / relative).key


def _path(holding: Holding) -> str:
    """Where a row's result lies, or the owner's of its path, relative to OUT."""
    return holding.path + (holding.owner.suffix if holding.owner else holding.suffix)


def _fits(key: str) -> bool:
    return len(key.encode()) <= MOST_KEY_BYTES - _ROOM


def _ours(holding: Holding, keys: set[EditKey]) -> Occupant:
    """Two edits may have made the very same picture: then it is this one's."""
    return Occupant.THIS_RESULT if holding.key in keys else Occupant.OTHER_RESULT
