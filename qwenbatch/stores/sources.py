"""Sources in stores: read once for their keys, and fetched to the local disk to be sent."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from contextlib import asynccontextmanager
from tempfile import NamedTemporaryFile, SpooledTemporaryFile
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

import anyio.from_thread
import anyio.to_thread
import msgspec

from qwenbatch.core.sources import Problem, SourceFacts, SourceStamp
from qwenbatch.core.store_url import parse_store_url
from qwenbatch.errors import DiskError, StoreError
from qwenbatch.stores.crowd import each
from qwenbatch.stores.failures import MissingError
from qwenbatch.stores.looking import look_at
from qwenbatch.stores.ration import Ration

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

    from qwenbatch.core.items import ObjectSource
    from qwenbatch.core.pictures import Picture
    from qwenbatch.stores.bucket import Bucket
    from qwenbatch.stores.opening import Stores
    from qwenbatch.stores.sight import Sight

READ_AT_ONCE = 32
"""Sources that are read at the same time; large ones fewer: so many MiB in all."""

_IN_MEMORY = 256 * 1024
"""So much of a source is held in memory while it is read; the rest goes to the disk."""

_MOST_BYTES = 4 * 1024**3
"""A source that is longer is no picture: it is not fetched."""

_MOST_FAILURES = 10
"""So many sources of a page that a store fails to give are bad rows; more are the store's end."""


class Examined(Protocol):
    """What was found in a file."""

    @property
    def sha256(self) -> bytes:
        """Of all its bytes."""

    @property
    def picture(self) -> Picture | None:
        """The picture in it."""

    @property
    def problem(self) -> Problem | None:
        """Or what is wrong with it."""


class Cache(Protocol):
    """Remembers what was found in sources."""

    def look_up(self, paths: Sequence[str]) -> dict[str, SourceFacts]:
        """What is known of these, as they were when they were read."""

    def keep(self, seen: Sequence[tuple[str, SourceFacts]]) -> None:
        """Remember what was found in these."""


def stamp_of(sight: Sight) -> SourceStamp:
    """What tells, without reading it, that an object is as it was: its size and its mark."""
    return SourceStamp(size=sight.size, mtime=0, ctime=0, inode=sight.mark)


class ObjectReader:
    """Examines sources in stores by the page, many at once; none twice that has not changed.

    `examine` reads a seekable file. `scratch` is the folder for what does not fit into memory.
    """

    def __init__(
        self,
        stores: Stores,
        examine: Callable[[BinaryIO], Examined],
        *,
        scratch: Path | None,
    ) -> None:
        self._stores = stores
        self._examine = examine
        self._scratch = scratch

    def examine_all(
        self, sources: Sequence[ObjectSource], cache: Cache
    ) -> dict[ObjectSource, SourceFacts | Problem]:
        """What is in each of these sources.

        To be called in a thread that anyio started; the requests are made in its event loop.
        Raises StoreError where a store as a whole fails.
        """
        known = cache.look_up([source.url for source in sources])
        found: dict[ObjectSource, SourceFacts | Problem] = {}
        unread: dict[ObjectSource, int] = {}
        sights = anyio.from_thread.run(self._look, sources)
        for source in sources:
            sight, facts = sights.get(source), known.get(source.url)
            if sight is None:
                found[source] = _MISSING
            elif facts is not None and facts.stamp == stamp_of(sight):
                found[source] = facts
            elif sight.size > _MOST_BYTES:
                found[source] = Problem(f"it is longer than {_MOST_BYTES:,} bytes: no picture")
            else:
                unread[source] = sight.size
        if unread:
            read = anyio.from_thread.run(self._read_all, unread)
            found |= read
            cache.keep(
                [(one.url, facts) for one, facts in read.items() if type(facts) is SourceFacts]
            )
        return found

    async def read(self, source: ObjectSource) -> SourceFacts | Problem:
        """Read one source, whatever is known of it."""
        try:
            return await self._read(source)
        except StoreError as error:
            return Problem(error.what, error.advice, passing=error.passing)

    async def _look(self, sources: Sequence[ObjectSource]) -> dict[ObjectSource, Sight]:
        by_bucket: defaultdict[Bucket, dict[str, ObjectSource]] = defaultdict(dict)
        for source in sources:
            url = parse_store_url(source.url)
            by_bucket[self._stores.bucket(url)][url.key] = source
        found: dict[ObjectSource, Sight] = {}
        for bucket, keys in by_bucket.items():
            for key, sight in (await look_at(bucket, keys)).items():
                found[keys[key]] = sight
        return found

    async def _read_all(
        self, sizes: Mapping[ObjectSource, int]
    ) -> dict[ObjectSource, SourceFacts | Problem]:
        memory = Ration(READ_AT_ONCE)
        found: dict[ObjectSource, SourceFacts | Problem] = {}
        failures = 0

        async def read(source: ObjectSource) -> None:
            nonlocal failures
            try:
                async with memory.of(sizes[source]):
                    found[source] = await self._read(source)
            except StoreError as error:
                failures += 1
                if failures > _MOST_FAILURES:
                    raise
                found[source] = Problem(error.what, error.advice, passing=error.passing)

        await each(list(sizes), read, at_once=READ_AT_ONCE)
        return found

    async def _read(self, source: ObjectSource) -> SourceFacts | Problem:
        url = parse_store_url(source.url)
        with _spool(self._scratch) as file:

            async def write(chunk: bytes) -> None:
                # Into memory, mostly; else into the system's own cache of the disk.
                try:
                    file.write(chunk)
                except OSError as error:
                    raise _no_room(error) from error

            try:
                sight = await self._stores.bucket(url).read(url.key, write, most=_MOST_BYTES)
            except MissingError:
                return _MISSING
            examined = await anyio.to_thread.run_sync(self._examine, file)
        return SourceFacts(
            digest=examined.sha256,
            stamp=stamp_of(sight),
            picture=examined.picture,
            problem=examined.problem,
        )


class ObjectFetcher:
    """Fetches keyed sources to the local disk. `scratch` is the folder for them."""

    def __init__(self, stores: Stores, *, scratch: Path | None) -> None:
        self._stores = stores
        self._scratch = scratch
        self._memory = Ration(READ_AT_ONCE)

    @asynccontextmanager
    async def fetched(
        self, source: ObjectSource, facts: SourceFacts
    ) -> AsyncIterator[tuple[str, SourceStamp] | None]:
        """A local copy of a keyed source, gone afterwards: its path, and its file's stamp.

        None if the object is no longer what was keyed, or cannot be had now: it is held against
        the recorded digest while it comes. Raises DiskError if there is no room for it.
        """
        url = parse_store_url(source.url)
        running = hashlib.sha256()
        with _named(self._scratch) as file:

            async def write(chunk: bytes) -> None:
                running.update(chunk)
                try:
                    file.write(chunk)
                except OSError as error:
                    raise _no_room(error) from error

            try:
                async with self._memory.of(facts.stamp.size):
                    await self._stores.bucket(url).read(url.key, write, most=facts.stamp.size)
                same = running.digest() == facts.digest
            except (MissingError, StoreError):
                same = False
            file.flush()
            status = os.fstat(file.fileno())
            stamp = SourceStamp(
                size=status.st_size,
                mtime=status.st_mtime_ns,
                ctime=status.st_ctime_ns,
                inode=status.st_ino,
            )
            yield (file.name, stamp) if same else None


def local_facts(facts: SourceFacts, stamp: SourceStamp) -> SourceFacts:
    """What a local copy of a source holds."""
    return msgspec.structs.replace(facts, stamp=stamp)


_MISSING = Problem("there is no such object", "check the key, and its case")


def _spool(scratch: Path | None) -> BinaryIO:
    return cast(
        "BinaryIO", SpooledTemporaryFile(_IN_MEMORY, dir=None if scratch is None else str(scratch))
    )


def _named(scratch: Path | None) -> BinaryIO:
    try:
        return cast("BinaryIO", NamedTemporaryFile(dir=scratch, suffix=".part"))
    except OSError as error:
        raise _no_room(error) from error


def _no_room(error: OSError) -> DiskError:
    return DiskError(
        f"a source that was fetched cannot be written: {error.strerror or error}",
        "free room or mend the disk, then start the same command again: it resumes",
    )
