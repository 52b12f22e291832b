"""Sources wherever they lie: each is read, sent and read again by the room that knows its place."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

import anyio.to_thread
import msgspec

from qwenbatch.core.items import FileSource, InlineSource, ObjectSource
from qwenbatch.imaging.probe import examine
from qwenbatch.imaging.reader import SeenSource
from qwenbatch.imaging.sources import examine_source
from qwenbatch.stores.sources import ObjectFetcher, ObjectReader, local_facts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from qwenbatch.core.items import Source
    from qwenbatch.core.sources import Problem, SourceFacts
    from qwenbatch.imaging.reader import Cache, Reader
    from qwenbatch.imaging.transit import Cargo, Carrier
    from qwenbatch.stores.opening import Stores

OwnSource: TypeAlias = FileSource | InlineSource | ObjectSource
"""A source whose bytes we send ourselves."""


class Sources:
    """Sources of a run. `copies` are local copies of manifests that lie in stores, by their URLs.

    `scratch` is the folder for temporary files; None: where the system has them.
    """

    def __init__(self, stores: Stores, copies: Mapping[str, str], *, scratch: Path | None) -> None:
        self._copies = copies
        self._objects = ObjectReader(stores, examine, scratch=scratch)
        self._fetcher = ObjectFetcher(stores, scratch=scratch)

    def examine(
        self, sources: Sequence[Source | None], reader: Reader, cache: Cache
    ) -> list[SeenSource]:
        """What is in each; `reader` reads the local ones. In a thread that anyio started."""
        objects = list(dict.fromkeys(one for one in sources if type(one) is ObjectSource))
        if not objects and not self._copies:
            return reader.examine(sources)
        found = self._objects.examine_all(objects, cache) if objects else {}
        local = [
            self._local(one)
            if type(one) is InlineSource
            else None
            if type(one) is ObjectSource
            else one
            for one in sources
        ]
        return [
            SeenSource(found[one], None) if type(one) is ObjectSource else seen
            for one, seen in zip(sources, reader.examine(local), strict=True)
        ]

    async def read(self, source: OwnSource) -> SourceFacts | Problem:
        """Read a source anew, whatever is known of it."""
        if type(source) is ObjectSource:
            return await self._objects.read(source)
        local = self._local(source) if type(source) is InlineSource else source
        return await anyio.to_thread.run_sync(examine_source, local)

    def ready(
        self, carrier: Carrier, source: OwnSource, facts: SourceFacts
    ) -> AbstractAsyncContextManager[Cargo | None]:
        """A keyed source as it is sent; None if it is no longer what was keyed."""
        if type(source) is ObjectSource:
            return self._fetched(carrier, source, facts)
        return carrier.ready(self._local(source) if type(source) is InlineSource else source, facts)

    @asynccontextmanager
    async def _fetched(
        self, carrier: Carrier, source: ObjectSource, facts: SourceFacts
    ) -> AsyncIterator[Cargo | None]:
        """An object as it is sent, from a local copy."""
        async with self._fetcher.fetched(source, facts) as copy:
            if copy is None:
                yield None
                return
            path, stamp = copy
            async with carrier.ready(FileSource(path), local_facts(facts, stamp)) as cargo:
                yield cargo

    def _local(self, source: InlineSource) -> InlineSource:
        """A picture that stands in a manifest in a store, in that manifest's local copy."""
        copy = self._copies.get(source.manifest)
        return source if copy is None else msgspec.structs.replace(source, manifest=copy)


class PlanSources:
    """What the planner reads sources with."""

    def __init__(self, sources: Sources, reader: Reader, cache: Cache) -> None:
        self._sources = sources
        self._reader = reader
        self._cache = cache

    def examine(self, sources: Sequence[Source | None]) -> list[SeenSource]:
        """What is in each of these sources; unchanged ones are not read again."""
        return self._sources.examine(sources, self._reader, self._cache)
