"""Runs as the ledger remembers them: how they began and ended, what they read and learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from qwenbatch.core.items import Fault, FileSource, InlineSource, Source
from qwenbatch.core.states import EditState
from qwenbatch.ledger import edits, frames, intake, placements
from qwenbatch.ledger.database import all_rows, dump_json
from qwenbatch.ledger.plan import decode_bad, decode_keyed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import apsw

    from qwenbatch.core.summary import Summary
    from qwenbatch.ledger.spool import Spooled

PAGE = 2000

_encode = msgspec.json.Encoder().encode
_decode_fault = msgspec.json.Decoder(Fault).decode


def begin(
    db: apsw.Connection,
    *,
    name: str,
    manifest: str,
    spooled: Iterable[Spooled],
    now: int,
    command: Sequence[str] = (),
) -> int:
    """Open a run; its number. `command` are the words that start it again.

    First what the last run could only spool is taken in; then what its death left in flight is
    called uncertain.
    """
    for record in spooled:
        intake.take_in(db, record)
    edits.recover(db, now=now)
    placements.forget_unpaid(db)
    db.execute(
        "INSERT INTO runs (name, manifest, started_at) VALUES (?, ?, ?)",
        (name, manifest, now),
    )
    number = db.last_insert_rowid()
    db.execute("INSERT OR REPLACE INTO meta VALUES ('command', ?)", (dump_json(list(command)),))
    return number


def close(db: apsw.Connection, run: int, summary: Summary, *, now: int) -> None:
    """Record how a run ended; its raw answers go, but for those that are still in doubt."""
    edits.forget_raw_answers(db, run)
    db.execute(
        "UPDATE runs SET ended_at = ?, stopped_by = ?, exit_status = ?, summary = ? WHERE id = ?",
        (now, summary.stopped_by, int(summary.exit_status), dump_json(summary.to_json()), run),
    )


def learned_rate(db: apsw.Connection, gateway: str) -> float | None:
    """The rate of starts a second that this gateway was last found to take."""
    row = db.execute("SELECT rate FROM paces WHERE gateway = ?", (gateway,)).fetchone()
    return float(row[0]) if row else None


def keep_rate(db: apsw.Connection, gateway: str, rate: float | None) -> None:
    """Remember the learned rate, or forget it where the gateway took all that it was sent."""
    if rate is None:
        db.execute("DELETE FROM paces WHERE gateway = ?", (gateway,))
    else:
        db.execute("INSERT OR REPLACE INTO paces VALUES (?, ?)", (gateway, rate))


_COLUMNS = (
    "number, line, image, inline, instruction, negative_prompt, watermark, take,"
    " output, id, extra, key, path, fault"
)

_SUPERSEDED = """
    DELETE FROM items WHERE (manifest, number) IN (SELECT i.manifest, i.number FROM items_whole i
        WHERE i.manifest <> ? AND (
            EXISTS (SELECT 1 FROM temp.rows r WHERE r.key = i.key AND r.path = i.path)
            OR EXISTS (SELECT 1 FROM temp.stated s
                       WHERE s.image = i.image AND s.instruction = i.instruction
                       AND s.negative_prompt = i.negative_prompt AND s.watermark = i.watermark
                       AND s.take = i.take AND (s.output IS i.output OR s.output IS i.path)
                       AND (s.key IS NULL OR i.edit IS NULL))))
"""


def record_items(db: apsw.Connection, manifest: str) -> None:
    """Remember the rows of a manifest as this run saw them, in place of those of earlier runs.

    An item of an OUT is named by its key and path, whatever manifest names it: what this one has
    is no longer told by another, such as the one from which it was exported. Where either row has
    no key, for its picture could not be read, what the rows state names the item. Rows that are as
    they were are left alone.
    """
    db.execute("INSERT OR IGNORE INTO manifests (path) VALUES (?)", (manifest,))
    number = db.execute("SELECT id FROM manifests WHERE path = ?", (manifest,)).get
    if db.execute("SELECT EXISTS (SELECT 1 FROM items WHERE manifest <> ?)", (number,)).get:
        _supersede(db, number)
    last = 0
    for page in _items(db):
        first, last = last, page[-1][0]
        known = {
            item[0]: item
            for item in db.execute(
                f"SELECT {_COLUMNS} FROM items_whole"  # noqa: S608 - a constant
                " WHERE manifest = ? AND number > ? AND number <= ?",
                (number, first, last),
            )
        }
        new = [item for item in page if known.pop(item[0], None) != item]
        db.executemany(
            "DELETE FROM items WHERE manifest = ? AND number = ?",
            [(number, other) for other in (*known, *(item[0] for item in new))],
        )
        _insert(db, number, new)
    db.execute("DELETE FROM items WHERE manifest = ? AND number > ?", (number, last))


def _insert(db: apsw.Connection, manifest: int, items: Sequence[tuple[Any, ...]]) -> None:
    """Add rows, and the edits that they name; each row's columns are `_COLUMNS`."""
    db.executemany(
        "INSERT INTO edits (key, state) VALUES (?, ?) ON CONFLICT DO NOTHING",
        [(item[11], EditState.PENDING) for item in items if item[11] is not None],
    )
    db.executemany(
        "INSERT INTO items (manifest, number, line, image_frame, image, inline, instruction,"
        " negative_prompt, watermark, take, output, id, extra, edit, path, fault)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
        " (SELECT id FROM edits WHERE key = ?), ?, ?)",
        [
            (manifest, *item[:2], *image, *item[3:])
            for item, image in zip(
                items, frames.keep_all(db, (item[2] for item in items)), strict=True
            )
        ],
    )


def _supersede(db: apsw.Connection, manifest: int) -> None:
    """Drop the rows of other manifests that name items of the plan."""
    keyless = bool(
        db.execute(
            "SELECT EXISTS (SELECT 1 FROM items WHERE manifest <> ? AND edit IS NULL)",
            (manifest,),
        ).get,
    )
    db.execute(
        "CREATE TEMP TABLE stated (image, instruction, negative_prompt, watermark, take, output,"
        " key)",
    )
    db.executemany(
        "INSERT INTO temp.stated VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            (*item[2:3], *item[4:9], item[11])
            for page in _items(db, every=keyless)
            for item in page
            if item[2]
        ),
    )
    db.execute("CREATE INDEX temp.stated_image ON stated (image)")
    db.execute(_SUPERSEDED, (manifest,))
    db.execute("DROP TABLE temp.stated")


def _items(db: apsw.Connection, *, every: bool = True) -> Iterator[list[tuple[Any, ...]]]:
    """The plan's rows as columns of `items` but the first; or only those that have no key."""
    last = 0
    while page := all_rows(
        db.execute(
            "SELECT r.number, t.row, r.key, r.path, r.fault FROM temp.rows r"
            " JOIN temp.texts t ON t.number = r.number WHERE r.number > ?"
            " AND (? OR r.key IS NULL) ORDER BY r.number LIMIT ?",
            (last, every, PAGE),
        ),
    ):
        last = page[-1][0]
        yield [_item(*row) for row in page]


def _item(
    number: int,
    blob: bytes,
    key: bytes | None,
    path: str | None,
    fault: str | bytes | None,
) -> tuple[Any, ...]:
    row = decode_keyed(blob).row if key is not None else decode_bad(blob)
    return (
        number,
        row.line,
        _image(row.source) or row.image,
        _encode(row.source) if type(row.source) is InlineSource else None,
        row.instruction,
        row.negative_prompt,
        int(row.watermark),
        row.take,
        row.output,
        row.id,
        None if row.extra == b"{}" else row.extra,
        key,
        path,
        None if fault is None else fault_words(_decode_fault(fault)),
    )


def _image(source: Source | None) -> str:
    if source is None:
        return ""
    if type(source) is FileSource:
        return source.path
    if type(source) is InlineSource:
        return f"{source.manifest}#{source.offset}"
    return source.url


def fault_words(fault: Fault) -> str:
    """Why a row is invalid, as the ledger keeps it for people."""
    column = f"{fault.column}: " if fault.column else ""
    return f"{column}{fault.reason}"
