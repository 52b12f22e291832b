"""The pictures of a report: sources and results, copied in threads, each copy made once."""

from __future__ import annotations

import os
from contextlib import contextmanager
from hashlib import sha256
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from qwenbatch.core.items import InlineSource, ObjectSource
from qwenbatch.core.report_files import PICTURES, CopySide, copy_name
from qwenbatch.core.store_url import StoreUrl, parse_store_url
from qwenbatch.errors import PictureError
from qwenbatch.imaging.copies import copied
from qwenbatch.imaging.sources import open_file, opened
from qwenbatch.report.page_data import PagePicture
from qwenbatch.results.occupancy import stamp_of
from qwenbatch.stores.shelf import has_stamp
from qwenbatch.stores.sources import stamp_of as source_stamp_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor, Future

    from qwenbatch.core.placements import Placement
    from qwenbatch.core.sources import SourceFacts, SourceStamp
    from qwenbatch.report.copies import Copies
    from qwenbatch.wiring.places import Place
    from qwenbatch.wiring.report_objects import Objects
    from qwenbatch.wiring.sources import OwnSource

_PIECE = 1024 * 1024

_MOST_RECENT = 1024
"""So many sources are remembered, for items that share one mostly stand together."""


class Seen(msgspec.Struct, frozen=True):
    """A picture as it was found, and the SHA-256 of what it shows; None if it cannot be shown."""

    digest: bytes | None
    picture: PagePicture


class ReportPictures:
    """Looks at pictures in the threads of `pool`; DiskError comes out of the futures."""

    def __init__(self, copies: Copies, pool: Executor, objects: Objects) -> None:
        self._copies = copies
        self._objects = objects
        self._pool = pool
        self._recent: dict[OwnSource, Future[Seen]] = {}
        self._lock = Lock()
        self._made: set[str] = set()

    @property
    def made(self) -> int:
        """How many copies were made, and not found."""
        return len(self._made)

    def before(self, source: OwnSource, facts: SourceFacts | None) -> Future[Seen]:
        """A source. `facts` are what it held when it was edited: if copies are kept, they do."""
        future = self._recent.get(source)
        if future is None:
            if len(self._recent) >= _MOST_RECENT:
                del self._recent[next(iter(self._recent))]
            future = self._recent[source] = self._pool.submit(self._before, source, facts)
        return future

    def after(self, path: Place, placement: Placement) -> Future[Seen]:
        """A result in its place."""
        return self._pool.submit(self._after, path, placement)

    def _before(self, source: OwnSource, facts: SourceFacts | None) -> Seen:
        if facts is not None and facts.picture is not None and self._has(facts.digest):
            width, height = facts.picture.upright
            kept = _shown(facts.digest, width, height, facts.picture.size)
            return Seen(facts.digest, kept)
        try:
            with self._opened(source) as (file, stamp):
                if facts is not None and facts.stamp == stamp:
                    digest = facts.digest
                else:
                    digest = _digest_of(file)
                size = _length_of(file) if isinstance(source, InlineSource) else stamp.size
                return Seen(digest, self._copied(file, digest, size))
        except PictureError as error:
            return Seen(None, PagePicture(note=error.what))
        except OSError as error:
            return Seen(None, PagePicture(note=f"it cannot be read: {error.strerror or error}"))

    @contextmanager
    def _opened(self, source: OwnSource) -> Iterator[tuple[BinaryIO, SourceStamp]]:
        if isinstance(source, ObjectSource):
            with self._objects.opened(parse_store_url(source.url)) as (file, sight):
                yield file, source_stamp_of(sight)
        else:
            local = self._objects.local(source) if isinstance(source, InlineSource) else source
            with opened(local) as found:
                yield found

    @contextmanager
    def _result(self, place: Place, placement: Placement) -> Iterator[tuple[BinaryIO, int, bool]]:
        """A result, its size, and whether it has the recorded stamp."""
        if isinstance(place, StoreUrl):
            with self._objects.opened(place) as (file, sight):
                yield file, sight.size, has_stamp(sight, placement.stamp)
        else:
            with open_file(str(place)) as file:
                status = os.fstat(file.fileno())
                yield file, status.st_size, placement.stamp == stamp_of(status)

    def _after(self, path: Place, placement: Placement) -> Seen:
        try:
            with self._result(path, placement) as (file, size, stamped):
                as_it_was = placement.digest is not None and stamped
                digest = placement.digest if as_it_was else None
                digest = digest or _digest_of(file)
                altered = placement.digest is not None and digest != placement.digest
                note = "altered since it was put there" if altered else ""
                return Seen(digest, self._copied(file, digest, size, note))
        except PictureError as error:
            return self._gone(placement, error.what)
        except OSError as error:
            return self._gone(placement, f"it cannot be read: {error.strerror or error}")

    def _gone(self, placement: Placement, why: str) -> Seen:
        """A result that is not to be had; the copies that were made of it may be."""
        if placement.digest is None or not self._has(placement.digest):
            return Seen(None, PagePicture(note=why))
        return Seen(placement.digest, _shown(placement.digest, 0, 0, 0, why))

    def _copied(self, file: BinaryIO, digest: bytes, size: int, note: str = "") -> PagePicture:
        """The picture in a file, with the copies that are missing made."""
        missing = [side for side in CopySide if not self._copies.has(copy_name(digest, side))]
        found = copied(file, size, missing)
        for side, picture in zip(missing, found.copies, strict=True):
            self._copies.keep(copy_name(digest, side), picture)
        with self._lock:
            self._made.update(copy_name(digest, side) for side in missing)
        return _shown(digest, found.width, found.height, size, note)

    def _has(self, digest: bytes) -> bool:
        return all(self._copies.has(copy_name(digest, side)) for side in CopySide)


def _shown(digest: bytes, width: int, height: int, size: int, note: str = "") -> PagePicture:
    return PagePicture(
        card=f"{PICTURES}/{copy_name(digest, CopySide.CARD)}",
        view=f"{PICTURES}/{copy_name(digest, CopySide.VIEW)}",
        width=width,
        height=height,
        size=size,
        note=note,
    )


def _digest_of(file: BinaryIO) -> bytes:
    file.seek(0)
    running = sha256()
    while piece := file.read(_PIECE):
        running.update(piece)
    return running.digest()


def _length_of(file: BinaryIO) -> int:
    return file.seek(0, os.SEEK_END)
