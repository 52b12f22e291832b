"""Reads sources for the plan: in threads, and none twice that has not changed."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

import msgspec

from qwenbatch.core.items import FileSource, InlineSource
from qwenbatch.core.sources import Problem, SourceFacts
from qwenbatch.imaging.sources import examine_source, stamp_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qwenbatch.core.items import Source

SETTLED_NANOSECONDS = 2_000_000_000
"""A file that changed more lately than this may change again under the same stamp: not kept."""


class Cache(Protocol):
    """Remembers what was found in files."""

    def look_up(self, paths: Sequence[str]) -> dict[str, SourceFacts]:
        """What is known of these files, as they were when they were read."""

    def keep(self, seen: Sequence[tuple[str, SourceFacts]]) -> None:
        """Remember what was found in these files."""


class SeenSource(msgspec.Struct, frozen=True, gc=False):
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
        seen = dict.fromkeys(sources, _UNSEEN)
        files: dict[str, os.stat_result | None] = {}
        unread: list[FileSource | InlineSource] = []
        for source in seen:
            if type(source) is FileSource:
                files[source.path] = _stat(source.path)
            elif type(source) is InlineSource:
                unread.append(source)
        known = self._cache.look_up(list(files)) if files else {}
        for source in seen:
            if type(source) is FileSource:
                facts, status = known.get(source.path), files[source.path]
                if facts is not None and status is not None and facts.stamp == stamp_of(status):
                    seen[source] = SeenSource(facts, (status.st_dev, status.st_ino))
                else:
                    unread.append(source)
        if unread:
            self._read(unread, files, seen)
        return [seen[source] for source in sources]

    def _read(
        self,
        unread: Sequence[FileSource | InlineSource],
        files: dict[str, os.stat_result | None],
        seen: dict[Source | None, SeenSource],
    ) -> None:
        """Read sources, and keep what may be kept of them."""
        settled = int(self._wall() * 1e9) - SETTLED_NANOSECONDS
        kept: list[tuple[str, SourceFacts]] = []
        for source, found in zip(unread, self._pool.map(examine_source, unread), strict=True):
            # An inline picture's manifest is no source to be protected: it has no identity.
            status = files[source.path] if type(source) is FileSource else None
            identity = None if status is None else (status.st_dev, status.st_ino)
            seen[source] = SeenSource(found, identity)
            if (
                type(source) is FileSource
                and type(found) is SourceFacts
                and max(found.stamp.mtime, found.stamp.ctime) < settled
            ):
                kept.append((source.path, found))
        if kept:
            self._cache.keep(kept)


_UNSEEN = SeenSource(None, None)


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116 - a million times: no Path is made
    except (OSError, ValueError):
        return None
