"""Puts verified results into a store: staged on the local disk, then put whole by one request.

A put is conditional: nothing may lie at the key (`If-None-Match: *`), or what was seen there
(`If-Match`). A put that is broken off leaves nothing. One whose answer was lost is looked for: what
lies there is ours if its bytes have the digest that the ledger recorded beforehand.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import anyio
import anyio.to_thread

from qwenbatch.core.placements import FileStamp
from qwenbatch.core.provenance import MOST_SIDECAR_BYTES, is_sidecar, sidecar_path, tells_of
from qwenbatch.errors import DiskError, PictureError, StoreError
from qwenbatch.stores.failures import MissingError, TakenError
from qwenbatch.stores.ration import Ration

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from qwenbatch.core.keys import EditKey
    from qwenbatch.core.placements import Placement
    from qwenbatch.core.results import Staged
    from qwenbatch.core.store_url import StoreUrl
    from qwenbatch.stores.bucket import Bucket
    from qwenbatch.stores.sight import Sight

_SHARES = 16
"""MiB of results that are put at the same time, at the most."""

_WAITS = (0.5, None)
"""Seconds between the tries of a put that fails, behind those of the store's client."""


class Stage(Protocol):
    """Takes a result, and says what it took."""

    async def write(self, chunk: bytes) -> None:
        """The next bytes."""

    async def finish(self) -> Staged:
        """What was written, verified and flushed; PictureError if it is no sound picture."""


class Desk(Protocol):
    """Where results are staged on the local disk."""

    def stage(self) -> AbstractAsyncContextManager[Stage]:
        """A temporary file for one result."""

    def replaced_path(self, key: EditKey, digest: bytes, suffix: str) -> str:
        """Where a result goes that makes room, relative to OUT."""

    def clean(self) -> None:
        """Remove the temporary files that a death left behind."""


def stamp_of(sight: Sight, *, now: int = 0) -> FileStamp:
    """What tells, without reading it, that an object is the one we know: its size and its mark.

    `now`, in ns, is when it was put; the store's own time is told where that is not known.
    """
    return FileStamp(size=sight.size, mtime=now or sight.mtime, inode=sight.mark)


def has_stamp(sight: Sight, stamp: FileStamp | None) -> bool:
    """Whether an object is the one with this stamp, whenever it was put."""
    return stamp is not None and (stamp.size, stamp.inode) == (sight.size, sight.mark)


class StoreShelf:
    """The results below one OUT in a store. Every failure of the store becomes a DiskError.

    `saw` is told the size in bytes of each result that is put into place.
    """

    def __init__(
        self, bucket: Bucket, out: StoreUrl, desk: Desk, saw: Callable[[int], None]
    ) -> None:
        self._bucket = bucket
        self._out = out
        self._desk = desk
        self._saw = saw
        self._memory = Ration(_SHARES)
        self.stage = desk.stage
        self.replaced_path = desk.replaced_path
        self.clean = desk.clean

    async def copy_into(self, stage: Stage, placement: Placement) -> Staged | None:
        """A verified copy of a placement's object, if it has the recorded digest still."""
        try:
            await self._bucket.read(self._key(placement.file), stage.write)
            copy = await stage.finish()
        except (MissingError, PictureError):
            return None
        except StoreError as error:
            raise _disk_error(error) from error
        return copy if copy.digest == placement.digest else None

    async def adopt(self, placement: Placement) -> FileStamp | None:
        """The stamp of the object at a placement's path, if it has the recorded digest."""
        key = self._key(placement.file)
        if placement.digest is None:
            return None
        try:
            seen = await self._ours(key, placement.digest)
        except StoreError as error:
            raise _disk_error(error) from error
        return None if seen is None else stamp_of(seen)

    async def keep(self, relative: str, to: str) -> None:
        """Give an object that is to make room its place in `replaced/` too."""
        try:
            await self._bucket.copy(self._key(relative), self._key(to))
        except StoreError as error:
            raise _disk_error(error) from error

    async def put(
        self,
        result: Staged,
        relative: str,
        *,
        displaced: tuple[str, str] | None,
        overwrite: bool,
    ) -> FileStamp | None:
        """Put a staged result to a path relative to OUT; None if something else lies there.

        `displaced` names an object that makes room, and where it is kept, both relative to OUT:
        it is replaced only while it is what is kept.
        """
        self._saw(result.size)
        try:
            async with self._memory.of(result.size):
                content = await anyio.to_thread.run_sync(Path(result.path).read_bytes)
                makes_room = displaced and await self._let_go(*displaced, relative)
                if displaced or overwrite:
                    await self._drop_sidecar(relative, result.digest)
                sight = await self._put(
                    self._key(relative), content, result, makes_room or None, overwrite=overwrite
                )
        except StoreError as error:
            raise _disk_error(error) from error
        except OSError as error:
            raise DiskError(f"a staged result cannot be read: {error.strerror or error}") from error
        return None if sight is None else stamp_of(sight, now=time.time_ns())

    async def forget(self, relative: str) -> None:
        """Remove an object in `replaced/` whose result is back in its place; failing is no harm."""
        try:
            await self._bucket.delete(self._key(relative))
        except StoreError:
            return

    async def _put(
        self,
        key: str,
        content: bytes,
        result: Staged,
        makes_room: Sight | None,
        *,
        overwrite: bool,
    ) -> Sight | None:
        for wait in _WAITS:
            try:
                if overwrite:
                    return await self._bucket.overwrite(key, content)
                if makes_room is not None:
                    return await self._bucket.replace(key, content, makes_room)
                return await self._bucket.create(key, content)
            except TakenError:
                # By someone else, or by an earlier try of ours whose answer was lost.
                if (seen := await self._ours(key, result.digest)) is not None:
                    return seen
                if wait is None or await self._bucket.look(key) is not None:
                    return None
                # What stood in the way, or was to make room, is gone again.
                makes_room = None
            except StoreError as error:
                if not error.passing or wait is None:
                    raise
                await anyio.sleep(wait)
                if (seen := await self._ours(key, result.digest)) is not None:
                    return seen
        raise AssertionError  # the last try returns or raises

    async def _ours(self, key: str, digest: bytes) -> Sight | None:
        """An object, if its bytes have this digest."""
        seen = await self._bucket.look(key)
        if seen is None or await self._bucket.digest(key) != digest:
            return None
        return seen if await self._bucket.look(key) == seen else None

    async def _let_go(self, relative: str, to: str, wanted: str) -> Sight | None:
        """What lies where a result is wanted and may be replaced, for it is kept; None: nothing.

        An object that is kept and lies at another path is removed.
        """
        key, refuge = self._key(relative), self._key(to)
        seen = await self._bucket.look(key)
        if seen is None:
            return None
        if await self._bucket.look(refuge) is None:
            await self._bucket.copy(key, refuge)
        kept = await self._bucket.digest(refuge)
        if kept is None or await self._ours(key, kept) != seen:
            return None
        if relative == wanted:
            return seen
        await self._bucket.delete(key)
        return None

    async def _drop_sidecar(self, relative: str, digest: bytes) -> None:
        """Remove a sidecar of ours that tells of what was there; failing is no harm."""
        key = self._key(sidecar_path(relative))
        try:
            seen = await self._bucket.look(key)
            if seen is None or seen.size > MOST_SIDECAR_BYTES:
                return
            there = bytearray()

            async def take(chunk: bytes) -> None:
                there.extend(chunk)

            await self._bucket.read(key, take, most=MOST_SIDECAR_BYTES)
            if is_sidecar(bytes(there)) and not tells_of(bytes(there), digest):
                await self._bucket.delete(key)
        except (StoreError, MissingError):
            return

    def _key(self, relative: str) -> str:
        return (self._out / relative).key


def _disk_error(error: StoreError) -> DiskError:
    """A store that fails in mid-run stops it as a disk does."""
    return DiskError(error.what, error.advice)
