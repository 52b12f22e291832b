"""Lets results carry where they come from: sidecars beside them, texts inside them."""

from __future__ import annotations

from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Protocol

import anyio.to_thread

from qwenbatch import __version__
from qwenbatch.core.events import RowWarned
from qwenbatch.core.provenance import embedded_texts, sidecar, sidecar_path, tells_of
from qwenbatch.core.store_url import StoreUrl
from qwenbatch.errors import PictureError
from qwenbatch.imaging.look import look
from qwenbatch.imaging.png_text import TextInserter, text_chunks
from qwenbatch.ledger.ledger import Ledger
from qwenbatch.ledger.provenance import placed_file, read_provenance, saved_of_plan
from qwenbatch.results.sidecars import read_sidecar, write_sidecar
from qwenbatch.stores.sidecars import StoreSidecars

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import Any

    from qwenbatch.core.keys import EditKey
    from qwenbatch.core.placements import Saved
    from qwenbatch.core.provenance import PlacedFile
    from qwenbatch.engine.ports import Report
    from qwenbatch.ledger.provenance import SavedRow
    from qwenbatch.ledger.writer import Writer
    from qwenbatch.results.folders import OutFolders
    from qwenbatch.wiring.outs import Out


class Beside(Protocol):
    """Reads and writes what lies beside results, which are named relative to OUT."""

    async def read(self, results: Sequence[str]) -> list[bytes]:
        """What lies where their sidecars belong; empty where nothing of ours does."""

    async def write(self, result: str, content: bytes) -> bool:
        """Put a sidecar; False if what lies there is not ours. DiskError if it is not taken."""

    async def size(self, result: str) -> tuple[int, int] | None:
        """A result's size in pixels, as it says itself."""


class BesideFiles:
    """Sidecars in a folder; `mode` is who may read them."""

    def __init__(self, folders: OutFolders, mode: int) -> None:
        self._folders = folders
        self._mode = mode

    async def read(self, results: Sequence[str]) -> list[bytes]:
        """What lies where their sidecars belong; empty where nothing of ours does."""
        return await anyio.to_thread.run_sync(self._read, results)

    async def write(self, result: str, content: bytes) -> bool:
        """Put a sidecar; False if what lies there is not ours. DiskError if it is not taken."""
        put = partial(write_sidecar, self._folders, result, content, mode=self._mode)
        return await anyio.to_thread.run_sync(put)

    async def size(self, result: str) -> tuple[int, int] | None:
        """A result's size in pixels, as it says itself."""
        return await anyio.to_thread.run_sync(_size, self._folders, result)

    def _read(self, results: Sequence[str]) -> list[bytes]:
        at = self._folders.file
        return [read_sidecar(at(sidecar_path(result))) or b"" for result in results]


class BesideObjects(StoreSidecars):
    """Sidecars in a store."""

    async def size(self, result: str) -> tuple[int, int] | None:
        """A result's size in pixels, as it says itself."""
        content = await self.result(result)
        try:
            picture = None if content is None else look(BytesIO(content), len(content))
        except PictureError:
            return None
        return None if picture is None else (picture.width, picture.height)


def beside(out: Out, mode: int) -> Beside:
    """Where the sidecars of an OUT are put; `mode` is who may read files."""
    if isinstance(out.place, StoreUrl):
        return BesideObjects(out.stores.bucket(out.place), out.place)
    return BesideFiles(out.folders, mode)


class Sidecars:
    """Sidecars of the results below one OUT."""

    def __init__(self, writer: Writer, beside: Beside, report: Report) -> None:
        self._do = writer
        self._beside = beside
        self._report = report

    async def write(self, key: EditKey, path: str) -> None:
        """Write the sidecar of a result that is in place; DiskError if the disk does not take it.

        Not where nobody knows any more what was asked, or a file that is not ours lies there.
        """
        placed = await self._do(lambda db: placed_file(db, key, path))
        if placed is not None:
            await self._write(key, placed)

    async def complete(self) -> None:
        """Write the sidecars that lack of the plan's saved results, whenever they were saved.

        Where files that are not ours keep one from being written, that is told.
        """
        after = 0
        while page := await self._do(lambda db, after=after: saved_of_plan(db, after)):  # type: ignore[misc] # bound
            after = page[-1].number
            for saved in await self._without(page):
                if not await self._write(saved.key, saved.placed):
                    self._report(
                        RowWarned(
                            where=sidecar_path(saved.placed.path),
                            image="",
                            warning="no sidecar is written: a file that is not ours lies there",
                        ),
                    )

    async def _write(self, key: EditKey, placed: PlacedFile) -> bool:
        """False where a file that is not ours lies there."""
        provenance = await self._do(lambda db: read_provenance(db, key))
        if provenance is None:
            return True
        size = await self._beside.size(placed.path)
        content = sidecar(provenance, placed, size, version=__version__)
        return await self._beside.write(placed.path, content)

    async def _without(self, page: list[SavedRow]) -> list[SavedRow]:
        """Those beside whose result no sidecar lies that tells of it."""
        there = await self._beside.read([saved.placed.path for saved in page])
        return [
            saved
            for saved, content in zip(page, there, strict=True)
            if not tells_of(content, saved.placed.digest, saved.key)
        ]


class LedgerWithSidecars(Ledger):
    """A ledger that says that a result is saved once its sidecar lies beside it too.

    Where the process dies between the two, the next run adopts the result, and comes by here.
    """

    def __init__(self, writer: Writer, sidecars: Sidecars, **others: Any) -> None:
        super().__init__(writer, **others)
        self._sidecars = sidecars

    async def save(self, saved: Saved) -> None:
        """Write the sidecar, then record that the result is in place."""
        await self._sidecars.write(saved.key, saved.path)
        await super().save(saved)


async def texts_of(writer: Writer, key: EditKey, url: str) -> dict[str, str]:
    """The texts to embed in the result of an edit that lies at a URL."""
    provenance = await writer(lambda db: read_provenance(db, key, url=url))
    return {} if provenance is None else embedded_texts(provenance, version=__version__)


class Labels:
    """The texts that a run embeds in its results."""

    def __init__(
        self, texts: Callable[[EditKey, str], Awaitable[dict[str, str]]], report: Report
    ) -> None:
        self._texts = texts
        self._report = report
        self._told = False

    async def inserter(self, key: EditKey, url: str) -> TextInserter:
        """What embeds an edit's texts into the result that lies at a URL, as it passes by."""
        return TextInserter(text_chunks(await self._texts(key, url)))

    def tell_unlabelled(self) -> None:
        """Tell, once, that a result took no texts."""
        if not self._told:
            self._told = True
            self._report(
                RowWarned(
                    where="--embed",
                    image="",
                    warning="results that are no PNG are left as they came; --sidecar tells of all",
                ),
            )


def _size(folders: OutFolders, result: str) -> tuple[int, int] | None:
    """A result's size in pixels, as it says itself."""
    path = folders.file(result)
    try:
        with path.open("rb") as file:
            picture = look(file, path.stat().st_size)
    except (OSError, PictureError):
        return None
    return picture.width, picture.height
