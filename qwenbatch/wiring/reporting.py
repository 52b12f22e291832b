"""Makes a report of a ledger's items: OUT/report.html, with the pictures that it shows."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from qwenbatch.core.items import FileSource, ObjectSource, Source, UrlSource
from qwenbatch.core.keys import edit_key
from qwenbatch.core.outcomes import ItemState
from qwenbatch.core.report_files import PAGE
from qwenbatch.core.sources import SourceFacts
from qwenbatch.core.store_url import StoreUrl, is_store_url, parse_store_url
from qwenbatch.core.summary import SCHEMA
from qwenbatch.errors import DiskError, UsageError
from qwenbatch.ledger.outcomes import ItemRecord, read_items
from qwenbatch.ledger.sources import facts_of
from qwenbatch.ledger.standing import read_standing
from qwenbatch.manifest.stored import FILES
from qwenbatch.report.copies import Copies
from qwenbatch.report.page import write_page
from qwenbatch.report.page_data import PagePicture, page_item
from qwenbatch.stores.report import put_report
from qwenbatch.wiring.clock import SystemClock
from qwenbatch.wiring.exporting import written
from qwenbatch.wiring.looking import live_run, looked_at, permitted
from qwenbatch.wiring.outs import out_at
from qwenbatch.wiring.places import Place, absolute
from qwenbatch.wiring.report_head import page_head
from qwenbatch.wiring.report_objects import Objects
from qwenbatch.wiring.report_pictures import ReportPictures, Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    import apsw

    from qwenbatch.core.outcomes import Outcome
    from qwenbatch.core.standing import LedgerStanding
    from qwenbatch.report.page_data import PageHead, PageItem

MOST_ITEMS = 20_000
"""So many items are on a page, those first that are not saved: some 10 MB."""

_PAGE = 500
_AHEAD_PER_CORE = 4

_CHANGED = "the picture that was edited is gone: another lies at its path now"


class ReportMade(msgspec.Struct, frozen=True, kw_only=True):
    """A report that was written: where, how many items it shows of how many, and its pictures.

    `made` copies of pictures are new; `missing` items show no picture of what was edited, those
    apart whose source is a URL, or no picture of their result although they are saved.
    """

    path: Place
    items: int
    shown: int
    made: int
    missing: int

    def to_json(self) -> dict[str, Any]:
        """The object that `report --json` prints."""
        return {
            "schema": SCHEMA,
            "report": str(self.path),
            "items": self.items,
            "shown": self.shown,
            "pictures": {"made": self.made, "missing": self.missing},
        }


class _Entry(msgspec.Struct, frozen=True):
    """An item to be shown, its source, and what that held when it was edited, if that is known."""

    record: ItemRecord
    source: Source | None
    facts: SourceFacts | None


class _Tally(msgspec.Struct):
    """What was used and missed while the page was written."""

    used: set[str]
    missing: int = 0


def make_report(
    out: Place, *, ledger: Path | None, progress: Callable[[int, int], None]
) -> ReportMade:
    """Write the report of the ledger of `out`; `progress` hears how many items of all are done.

    It takes no lock of a run's and works while one is going on. Raises LedgerError if there is no
    ledger, UsageError while another report is being made, DiskError where OUT cannot be written.
    """
    with permitted(out):
        at = out_at(absolute(out), ledger)
    folder = at.place
    page = at.folders.out / PAGE
    if page.is_dir():
        raise UsageError(f"{page} is a folder", "move it elsewhere: the report goes there")
    with looked_at(folder, ledger) as db:
        standing = read_standing(db, live_run(db, folder, ledger))
        # Read at once: the pictures may take long, and a ledger that is read cannot be tidied.
        entries = list(_entries(db, folder, standing))
    copies = Copies(at.folders.out)
    with closing(Objects(at.stores)) as objects, copies.held(), _threads() as (pool, ahead):
        pictures = ReportPictures(copies, pool, objects)
        manifests = list(dict.fromkeys(entry.record.manifest for entry in entries))
        head = _head(folder, standing, manifests, shown=len(entries))
        tally = _Tally(set())
        items = _items(
            entries,
            manifests=manifests,
            pictures=pictures,
            ahead=ahead,
            out=folder,
            tally=tally,
        )
        _write(page, head, _told(items, len(entries), progress))
        copies.drop_others(tally.used)
        if isinstance(folder, StoreUrl):
            put_report(at.stores.bucket(folder), folder, at.folders.out, tally.used)
    return ReportMade(
        path=folder / PAGE,
        items=standing.items.total,
        shown=len(entries),
        made=pictures.made,
        missing=tally.missing,
    )


def _entries(db: apsw.Connection, out: Place, standing: LedgerStanding) -> Iterator[_Entry]:
    """The items that are shown, in the order of their manifests, or those first not saved."""
    running = standing.live is not None
    records: Iterator[ItemRecord] = read_items(db, out=out, state=None, running=running)
    if standing.items.total > MOST_ITEMS:
        unsaved = (one for one in records if one.outcome.state is not ItemState.SAVED)
        saved = read_items(db, out=out, state=ItemState.SAVED, running=running)
        records = islice(chain(unsaved, saved), MOST_ITEMS)
    while page := list(islice(records, _PAGE)):
        sources = [_source(record) for record in page]
        paths = [name for source in sources if (name := _name(source))]
        facts = facts_of(db, paths)
        for record, source in zip(page, sources, strict=True):
            known = facts.get(_name(source))
            if known is not None and not _is_edited(record.outcome, known.digest):
                known = None
            yield _Entry(record, source, known)


def _source(record: ItemRecord) -> Source | None:
    """Where an item's picture is; None for a row that does not say."""
    image = record.outcome.image
    if record.inline is not None:
        return record.inline
    if image.lower().startswith(("http://", "https://")):
        return UrlSource(image)
    if is_store_url(image):
        return ObjectSource(image)
    return FileSource(image) if image.startswith("/") else None


def _name(source: Source | None) -> str:
    """What the facts of a source are kept under; empty where none are."""
    if isinstance(source, FileSource):
        return source.path
    return source.url if isinstance(source, ObjectSource) else ""


def _is_edited(outcome: Outcome, digest: bytes) -> bool:
    """Whether the picture with this digest is the one that the item's edit is of."""
    if outcome.key is None:
        return True
    key = edit_key(
        source=digest.hex(),
        instruction=outcome.instruction,
        negative_prompt=outcome.negative_prompt,
        watermark=outcome.watermark,
        take=outcome.take,
    )
    return key.hex() == outcome.key


@contextmanager
def _threads() -> Iterator[tuple[ThreadPoolExecutor, int]]:
    """A thread a core, and how many items may be ahead of the one that is written."""
    cores = os.cpu_count() or 1
    pool = ThreadPoolExecutor(cores, thread_name_prefix="report")
    try:
        yield pool, cores * _AHEAD_PER_CORE
    finally:
        pool.shutdown(cancel_futures=True)


def _items(
    entries: list[_Entry],
    *,
    manifests: list[str],
    pictures: ReportPictures,
    ahead: int,
    out: Place,
    tally: _Tally,
) -> Iterator[PageItem]:
    """The page's items, in their order; pictures of those that come next are being made."""
    numbers = {manifest: number for number, manifest in enumerate(manifests)}
    waiting: deque[tuple[_Entry, Future[Seen] | None, Future[Seen] | None]] = deque()
    for entry in chain(entries, [None] * ahead):
        if entry is not None:
            waiting.append((entry, *_asked(entry, pictures, out)))
        if waiting and (entry is None or len(waiting) > ahead):
            yield _item(*waiting.popleft(), numbers, tally)


def _asked(
    entry: _Entry, pictures: ReportPictures, out: Place
) -> tuple[Future[Seen] | None, Future[Seen] | None]:
    """The pictures of an item, on their way: before and after."""
    source, placement = entry.source, entry.record.placement
    before = None
    if source is not None and not isinstance(source, UrlSource):
        before = pictures.before(source, entry.facts)
    if placement is None:
        return before, None
    return before, pictures.after(out / placement.file, placement)


def _item(
    entry: _Entry,
    before: Future[Seen] | None,
    after: Future[Seen] | None,
    numbers: dict[str, int],
    tally: _Tally,
) -> PageItem:
    record = entry.record
    shown_before = _before(entry, before)
    shown_after = PagePicture() if after is None else after.result().picture
    tally.used.update(
        address.rpartition("/")[2]
        for picture in (shown_before, shown_after)
        for address in (picture.card, picture.view)
        if address
    )
    missed_before = before is not None and not shown_before.card
    missed_after = after is not None and not shown_after.card
    tally.missing += missed_before or missed_after
    placement = record.placement
    return page_item(
        record.outcome,
        source=entry.source,
        manifest=numbers[record.manifest],
        base=_base(record.manifest),
        path=record.path,
        result=None if placement is None else placement.file,
        seconds=record.seconds,
        before=shown_before,
        after=shown_after,
    )


def _before(entry: _Entry, future: Future[Seen] | None) -> PagePicture:
    if isinstance(entry.source, UrlSource):
        return PagePicture(note="the service fetched it from its address: no copy was kept")
    if future is None:
        return PagePicture(note="the row names no picture")
    seen = future.result()
    if seen.digest is not None and not _is_edited(entry.record.outcome, seen.digest):
        return PagePicture(note=_CHANGED)
    return seen.picture


def _base(manifest: str) -> str:
    """The folder of a manifest; a manifest may be that folder itself."""
    if is_store_url(manifest):
        place = parse_store_url(manifest)
        return str(place.parent if place.suffix.lower() in FILES else place)
    return manifest if Path(manifest).is_dir() else str(Path(manifest).parent)


def _head(folder: Place, standing: LedgerStanding, manifests: list[str], *, shown: int) -> PageHead:
    return page_head(
        standing,
        title=folder.name or str(folder),
        manifests=[Path(manifest).name or manifest for manifest in manifests],
        shown=shown,
        now=SystemClock().wall(),
    )


def _write(page: Path, head: PageHead, items: Iterator[PageItem]) -> None:
    try:
        with written(page) as to:
            write_page(head, items, to)
    except OSError as error:
        raise DiskError(
            f"{page} cannot be written: {error.strerror or error}",
            "free room, or mend its permissions; pictures that were copied are kept",
        ) from error


def _told(
    items: Iterator[PageItem], total: int, progress: Callable[[int, int], None]
) -> Iterator[PageItem]:
    for done, item in enumerate(items, 1):
        yield item
        progress(done, total)
