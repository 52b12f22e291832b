"""Reads sources for the plan: in threads, and none twice that has not changed."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from qwenbatch.core.items import FileSource, InlineSource, UrlSource
from qwenbatch.core.sources import SourceFacts
from qwenbatch.imaging.sources import examine_source, file_of, stamp_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qwenbatch.core.items import Source
    from qwenbatch.core.sources import Problem

SETTLED_NANOSECONDS = 2_000_000_000
"""A file that changed more lately than this may change again under the same stamp: not kept."""


class Cache(Protocol):
    """Remembers what was found in files."""

    def look_up(self, paths: Sequence[str]) -> dict[str, SourceFacts]:
        """What is known of these files, as they were when they were read."""

    def keep(self, seen: Sequence[tuple[str, SourceFacts]]) -> None:
        """Remember what was found in these files."""


@dataclass(frozen=True, slots=True)
class SeenSource:
    """What was found in a source (None for a URL), and the device and inode of its file."""

    found: SourceFacts | Problem | None
    identity: tuple[int, int] | None


class Reader:
    """Examines sources by the page; close it to end its threads. `wall` is in seconds."""

    def __init__(self, cache: Cache, *, threads: int, wall: Callable[[], float]) -> None:
        self._cache = cache
        self._wall = wall
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="source-reader")

    def close(self) -> None:
        """End the threads; what they read is finished first."""
        self._pool.shutdown(cancel_futures=True)

    def examine(self, sources: Sequence[Source | None]) -> list[SeenSource]:
        """What is in each of these sources; files that are as they were are not read again."""
        stats = {source: _stat(source) for source in sources if source is not None}
        files = [source.path for source in stats if isinstance(source, FileSource)]
        known = self._cache.look_up(files)
        found: dict[Source, SourceFacts | Problem] = {}
        unread: list[FileSource | InlineSource] = []
        for source, status in stats.items():
            if isinstance(source, UrlSource):
                continue
            facts = known.get(source.path) if isinstance(source, FileSource) else None
            if facts is not None and status is not None and facts.stamp == stamp_of(status):
                found[source] = facts
            else:
                unread.append(source)
        found.update(zip(unread, self._pool.map(examine_source, unread), strict=True))
        self._keep(unread, found)
        return [
            SeenSource(None, None)
            if source is None
            else SeenSource(found.get(source), _identity(source, stats[source]))
            for source in sources
        ]

    def _keep(
        self,
        read: Sequence[FileSource | InlineSource],
        found: dict[Source, SourceFacts | Problem],
    ) -> None:
        settled = int(self._wall() * 1e9) - SETTLED_NANOSECONDS
        self._cache.keep(
            [
                (source.path, facts)
                for source in read
                if isinstance(source, FileSource)
                and isinstance(facts := found[source], SourceFacts)
                and max(facts.stamp.mtime, facts.stamp.ctime) < settled
            ],
        )


def _stat(source: Source) -> os.stat_result | None:
    if isinstance(source, UrlSource):
        return None
    try:
        return os.stat(file_of(source))  # noqa: PTH116 - a million times: no Path is made
    except (OSError, ValueError):
        return None


def _identity(source: Source, status: os.stat_result | None) -> tuple[int, int] | None:
    """Of a picture's own file; an inline picture's manifest is no source to be protected."""
    if status is None or not isinstance(source, FileSource):
        return None
    return status.st_dev, status.st_ino
