"""A ledger of many settled edits, made through the ledger's own modules but without the runs."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from qwenbatch.core.items import FileSource, Row
from qwenbatch.core.paths import fold
from qwenbatch.core.pictures import Format, Picture
from qwenbatch.core.placements import FileStamp
from qwenbatch.core.plan import DraftRow, KeyedRow, key_row
from qwenbatch.core.sources import SourceFacts, SourceStamp
from qwenbatch.ledger import frames, runs
from qwenbatch.ledger.plan import PlanStore
from qwenbatch.ledger.sources import SourceCache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import apsw

    from qwenbatch.ledger.writer import Writer

PAGE = 10_000
SENT_AT = 1_767_225_600_000
"""2026-01-01, in milliseconds since the epoch."""

_IDS = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Settled:
    """An edit that is paid and in place."""

    keyed: KeyedRow
    path: str
    stamp: FileStamp
    digest: bytes


def shop_item(number: int) -> Settled:
    """An item such as a shop's: a source of its own in a folder of a thousand."""
    place = f"shoes/{number // 1000:04}/IMG_{number:07}"
    path = f"/srv/pictures/spring/{place}.jpg"
    row = Row(
        number=number,
        line=number + 1,
        image=f"{place}.jpg",
        source=FileSource(path),
        mirror=f"{place}.jpg",
        instruction="Put it on a plain white background",
    )
    moment = SENT_AT * 1_000_000 + number
    facts = SourceFacts(
        digest=sha256(path.encode()).digest(),
        stamp=SourceStamp(1_500_000 + number, moment, moment + 1_234_567_890, 30_000_000 + number),
        picture=Picture(Format.JPEG, 2000, 1500, 1, alpha=False, size=1_500_000, reencode=None),
    )
    keyed = key_row(row, facts, None)
    digest = sha256(keyed.key).digest()
    stamp = FileStamp(1_500_000 + number, moment, 40_000_000 + number)
    return Settled(keyed, f"{place}.png", stamp, digest)


def settle(
    writer: Writer,
    count: int,
    *,
    manifest: str,
    item: Callable[[int], Settled] = shop_item,
) -> None:
    """Fill an empty ledger, with the plan's tables beside it, with `count` settled edits."""
    plan, cache = PlanStore(writer), SourceCache(writer, keep=True)
    writer.now(lambda db: runs.begin(db, name="1", manifest=manifest, spooled=(), now=SENT_AT))
    for page in _pages(count, item):
        plan.add([_draft(one) for one in page])
        cache.keep(
            [
                (one.keyed.row.source.path, one.keyed.facts)
                for one in page
                if isinstance(one.keyed.row.source, FileSource) and one.keyed.facts
            ],
        )
        writer.now(lambda db, page=page: _insert(db, page))  # type: ignore[misc] # bound on purpose
    plan.finish_reading(())
    writer.now(lambda db: runs.record_items(db, manifest))
    writer.now(lambda db: db.execute("UPDATE runs SET ended_at = ?", (SENT_AT + 1,)))


def _pages(count: int, item: Callable[[int], Settled]) -> Iterator[list[Settled]]:
    for first in range(1, count + 1, PAGE):
        yield [item(number) for number in range(first, min(first + PAGE, count + 1))]


def _draft(one: Settled) -> DraftRow:
    picture = one.keyed.facts.picture if one.keyed.facts else None
    return DraftRow(
        row=one.keyed.row,
        keyed=one.keyed,
        size=picture.upright if picture else None,
        path=one.path,
        fold=fold(one.path),
        level=-1 if one.keyed.row.output else 0,
    )


def _insert(db: apsw.Connection, page: list[Settled]) -> None:
    db.executemany(
        "INSERT INTO edits (id, key, state) VALUES (?, ?, 'edited')",
        [(one.keyed.row.number, one.keyed.key) for one in page],
    )
    db.executemany(
        "INSERT INTO attempts (edit, id, run, sent_at, price, state, ended_at, status,"
        " request_id, url_frame, url, width, height)"
        " VALUES (?, ?, 1, ?, 55000, 'paid', ?, 200, ?, ?, ?, 1184, 896)",
        [_attempt(db, one.keyed.row.number) for one in page],
    )
    db.executemany(
        "INSERT INTO placements (edit, path, state, digest, size, mtime, inode)"
        " VALUES (?, ?, 'saved', ?, ?, ?, ?)",
        [
            (
                one.keyed.row.number,
                one.path,
                one.digest,
                one.stamp.size,
                one.stamp.mtime,
                one.stamp.inode,
            )
            for one in page
        ],
    )


def _attempt(db: apsw.Connection, number: int) -> tuple[object, ...]:
    """Three UUIDs that have nothing to do with each other: ours, the request's, the result's."""
    attempt, request, result = (uuid5(_IDS, f"{name} {number}") for name in ("a", "r", "u"))
    at = SENT_AT + 500 * number
    url = f"https://pub-0a1b2c3d4e5f60718293a4b5c6d7e8f9.r2.dev/qwen-image-edit/{result}.png"
    kept = (frames.pack(str(request)), *frames.keep(db, url))
    return (number, attempt.bytes, at, at + 20_000, *kept)
