"""What the ledger and the plan know of where a paid result comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from qwenbatch.core.items import FileSource, ObjectSource, UrlSource
from qwenbatch.core.keys import EditKey, canonical_url, edit_key
from qwenbatch.core.money import MicroUSD
from qwenbatch.core.plain_urls import without_queries
from qwenbatch.core.provenance import PlacedFile, Provenance
from qwenbatch.core.store_url import is_store_url
from qwenbatch.ledger.database import all_rows, meta
from qwenbatch.ledger.plan import decode_keyed
from qwenbatch.ledger.sources import facts_of

if TYPE_CHECKING:
    import apsw

    from qwenbatch.core.plan import KeyedRow

PAGE = 500
"""Rows of the plan that are looked at in one step."""

_ATTEMPT = (
    "SELECT a.request_id, a.sent_at, a.ended_at,"
    " (SELECT sum(price) FROM attempts WHERE edit = e.id AND state = 'paid')"
    " FROM edits e JOIN attempts_whole a ON a.edit = e.id AND a.state = 'paid'"
    " WHERE e.key = ? AND (?2 IS NULL OR a.url = ?2)"
    " ORDER BY a.ended_at DESC LIMIT 1"
)


class SavedRow(NamedTuple):
    """A row of the plan whose result is saved."""

    number: int
    key: EditKey
    placed: PlacedFile


class _Asked(NamedTuple):
    """What an item with the edit's key states."""

    instruction: str
    negative_prompt: str
    watermark: bool
    take: int
    source: str
    is_url: bool
    source_digest: bytes | None


def read_provenance(
    db: apsw.Connection, key: EditKey, *, url: str | None = None
) -> Provenance | None:
    """Where a paid edit's result comes from; None if no item or answer is known that tells it.

    `url` is that of the result, where one answer of several is meant; else it is the last one.
    Needs the tables of a plan.
    """
    asked = _planned(db, key) or _remembered(db, key)
    attempt = db.execute(_ATTEMPT, (key, url)).fetchone()
    if asked is None or attempt is None:
        return None
    request_id, sent_at, ended_at, paid = attempt
    return Provenance(
        key=key,
        **asked._asdict(),
        service=meta(db, "service"),
        request_id=request_id or "",
        cost=MicroUSD(paid),
        finished_at=None if ended_at is None else ended_at / 1000,
        seconds=None if ended_at is None else max(0, ended_at - sent_at) / 1000,
    )


def placed_file(db: apsw.Connection, key: EditKey, path: str) -> PlacedFile | None:
    """The file of an edit's result at an item's path; None where it lies in `replaced/`."""
    row = db.execute(
        "SELECT p.path || p.suffix, p.digest FROM placements p JOIN edits e ON e.id = p.edit"
        " WHERE e.key = ? AND p.path = ? AND p.replaced IS NULL AND p.digest IS NOT NULL",
        (key, path),
    ).fetchone()
    return PlacedFile(path=row[0], digest=row[1]) if row else None


def saved_of_plan(db: apsw.Connection, after: int) -> list[SavedRow]:
    """The saved results of a page of the plan's rows behind a number."""
    return [
        SavedRow(number, EditKey(key), PlacedFile(path=file, digest=digest))
        for number, key, file, digest in all_rows(
            db.execute(
                "SELECT r.number, r.key, p.path || p.suffix, p.digest FROM temp.rows r"
                " JOIN main.edits e ON e.key = r.key"
                " JOIN main.placements p ON p.edit = e.id AND p.path = r.path"
                " WHERE r.number > ? AND r.fault IS NULL AND p.state = 'saved'"
                " AND p.replaced IS NULL AND p.digest IS NOT NULL ORDER BY r.number LIMIT ?",
                (after, PAGE),
            ),
        )
    ]


def _planned(db: apsw.Connection, key: EditKey) -> _Asked | None:
    """As a row of this run's plan states it."""
    row = db.execute(
        "SELECT t.row FROM temp.rows r JOIN temp.texts t ON t.number = r.number"
        " WHERE r.key = ? AND r.fault IS NULL LIMIT 1",
        (key,),
    ).fetchone()
    if row is None:
        return None
    keyed = decode_keyed(row[0])
    return _Asked(
        instruction=keyed.row.instruction,
        negative_prompt=keyed.row.negative_prompt,
        watermark=keyed.row.watermark,
        take=keyed.row.take,
        source=_source(keyed),
        is_url=type(keyed.row.source) in {UrlSource, ObjectSource},
        source_digest=None if keyed.facts is None else keyed.facts.digest,
    )


def _source(keyed: KeyedRow) -> str:
    source = keyed.row.source
    if type(source) is FileSource:
        return source.path
    if type(source) is UrlSource:
        return _bare(source.url)
    if type(source) is ObjectSource:
        return source.url
    return f"{source.manifest}#{source.offset}"


def _bare(url: str) -> str:
    """A URL without its query and what else may be a secret."""
    return without_queries(canonical_url(url))


def _remembered(db: apsw.Connection, key: EditKey) -> _Asked | None:
    """As an item of an earlier run stated it; what its source held only if the key proves it."""
    row = db.execute(
        "SELECT instruction, negative_prompt, watermark, take, image FROM items_whole"
        " WHERE edit = (SELECT id FROM edits WHERE key = ?) AND fault IS NULL LIMIT 1",
        (key,),
    ).fetchone()
    if row is None:
        return None
    instruction, negative_prompt, watermark, take, image = row
    is_url = image.startswith(("http://", "https://"))
    facts = None if is_url else facts_of(db, [image]).get(image)
    proven = facts is not None and key == edit_key(
        source=facts.digest.hex(),
        instruction=instruction,
        negative_prompt=negative_prompt,
        watermark=bool(watermark),
        take=take,
    )
    return _Asked(
        instruction=instruction,
        negative_prompt=negative_prompt,
        watermark=bool(watermark),
        take=take,
        source=_bare(image) if is_url else image,
        is_url=is_url or is_store_url(image),
        source_digest=facts.digest if facts is not None and proven else None,
    )
