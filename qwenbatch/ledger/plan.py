"""The plan of a run: its rows in temporary tables beside the ledger, never whole in memory."""

from __future__ import annotations

from importlib.resources import files
from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec

from qwenbatch.core.holdings import Holding, Known
from qwenbatch.core.items import BadRow, Fault
from qwenbatch.core.placements import FileStamp
from qwenbatch.core.plan import Fate, KeyedRow, NamedRow
from qwenbatch.ledger import contests
from qwenbatch.ledger.database import all_rows
from qwenbatch.ledger.standing import standing_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import apsw

    from qwenbatch.core.keys import EditKey
    from qwenbatch.core.plan import DraftRow, Judged
    from qwenbatch.ledger.writer import Writer

PAGE = 1000
"""Rows that are looked at in one step, so that the ledger's writer is never held up for long."""

HOLDINGS = """
    SELECT r.number, r.key, r.path, e.state, e.kind, mine.state, mine.suffix,
           oe.key, owner.suffix, owner.digest, owner.size, owner.mtime, owner.inode
    FROM {source} r
    LEFT JOIN main.edits e ON e.key = r.key
    LEFT JOIN main.placements mine ON mine.path = r.path AND mine.edit = e.id
    LEFT JOIN main.placements owner ON owner.path = r.path
         AND owner.state = 'saved' AND owner.replaced IS NULL
    LEFT JOIN main.edits oe ON oe.id = owner.edit
"""
"""What the ledger has on keys and paths; `source` has the columns number, key and path."""

_UNHELD = """
    SELECT r.number, r.key, r.path, NULL, NULL, NULL, NULL,
           NULL, NULL, NULL, NULL, NULL, NULL
    FROM temp.rows r
"""
"""The same where the ledger has nothing at all yet."""

CACHE_KIBIBYTES = 64_000
"""What of the plan's tables is kept in memory; the rest is on disk."""

encode_fault = msgspec.json.Encoder().encode
encode_row = msgspec.msgpack.Encoder().encode
decode_keyed = msgspec.msgpack.Decoder(KeyedRow).decode
decode_bad = msgspec.msgpack.Decoder(BadRow).decode
_decode_fault = msgspec.json.Decoder(Fault).decode


def make_tables(db: apsw.Connection) -> None:
    """Make the plan's tables beside an open ledger, empty."""
    db.pragma("temp_store", "file")
    db.pragma("cache_size", -CACHE_KIBIBYTES, schema="temp")
    db.pragma("journal_mode", "memory", schema="temp")
    db.execute(files("qwenbatch.ledger").joinpath("plan.sql").read_text(encoding="utf-8"))


class PlanStore:
    """The rows of one run. Its methods block: they are called from the planner's thread."""

    def __init__(self, writer: Writer) -> None:
        self._do = writer.now

    def add(self, drafts: Sequence[DraftRow]) -> None:
        """Take in some rows, keyed or bad."""
        rows = [
            (
                draft.row.number,
                draft.keyed.key if draft.keyed else None,
                draft.path,
                draft.fold,
                draft.level,
                *(draft.size or (None, None)),
                encode_fault(draft.fault) if draft.fault else None,
            )
            for draft in drafts
        ]
        texts = [(draft.row.number, encode_row(draft.keyed or draft.row)) for draft in drafts]
        paths = {(draft.source,) for draft in drafts if draft.source}
        inodes = {draft.identity for draft in drafts if draft.identity}

        def insert(db: apsw.Connection) -> None:
            db.executemany(
                "INSERT INTO temp.rows (number, key, path, fold, level, width, height, fault)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            db.executemany("INSERT INTO temp.texts VALUES (?, ?)", texts)
            db.executemany("INSERT OR IGNORE INTO temp.sources_by_path VALUES (?)", paths)
            db.executemany("INSERT OR IGNORE INTO temp.sources_by_inode VALUES (?, ?)", inodes)

        self._do(insert)

    def held(self, keys: Iterable[EditKey]) -> set[tuple[EditKey, str]]:
        """The paths that edits hold by the ledger: key and path."""
        return self._do(lambda db: contests.held(db, keys))

    def finish_reading(self, passed: Iterable[tuple[int, str]]) -> None:
        """All rows are in; `passed` are names, by level and folded, that rows left meanwhile."""

        def index(db: apsw.Connection) -> None:
            db.executemany("INSERT OR IGNORE INTO temp.passed VALUES (?, ?)", passed)
            db.execute("CREATE INDEX temp.rows_fold ON rows (fold)")

        self._do(index)

    def contested_outputs(self) -> list[tuple[int, str]]:
        """Rows that name an output which another row, of another edit, names too: number, path."""
        return self._do(contests.outputs)

    def contested_names(self, level: int) -> Iterator[list[NamedRow]]:
        """Rows of at most a level whose default name is wanted by another edit too, by pages.

        Names of that level that rows left while they were read count as wanted. Left out are rows
        whose edit already holds its path. Which rows they are is settled before the first page,
        so that the pages may be renamed as they come.
        """
        if not self._do(lambda db: contests.note_names(db, level)):
            return
        for page in self._pages(
            "SELECT r.number, t.row, r.level FROM temp.contested c"
            " JOIN temp.rows r ON r.number = c.number JOIN temp.texts t ON t.number = c.number"
            " WHERE r.fault IS NULL",
            column="c.number",
        ):
            yield [NamedRow(keyed=decode_keyed(row), level=at) for _, row, at in page]

    def rename(self, names: Iterable[tuple[int, str, str, int]]) -> None:
        """Give rows other default names: number, path, fold, level."""
        values = [(path, fold, level, number) for number, path, fold, level in names]
        self._do(
            lambda db: db.executemany(
                "UPDATE temp.rows SET path = ?, fold = ?, level = ? WHERE number = ?",
                values,
            ),
        )

    def outputs_that_are_folders(self) -> list[tuple[int, str]]:
        """Rows whose path another row needs as a folder: number, path."""
        return self._do(contests.folders)

    def refuse(self, faults: Iterable[tuple[int, Fault]]) -> None:
        """Make rows invalid: number, why."""
        values = [(encode_fault(fault), Fate.INVALID, number) for number, fault in faults]
        self._do(
            lambda db: db.executemany(
                "UPDATE temp.rows SET fault = ?, fate = ? WHERE number = ?",
                values,
            ),
        )

    def outputs_that_are_sources(self, out: str) -> list[tuple[int, str]]:
        """Rows whose path below OUT is the very path of some row's source: number, path."""
        return self._do(lambda db: contests.sources(db, out))

    def is_source(self, absolute: str, device: int, inode: int) -> bool:
        """Whether a file is one that some row edits."""
        return self._do(
            lambda db: bool(
                db.execute(
                    "SELECT EXISTS (SELECT 1 FROM temp.sources_by_path WHERE path = ?)"
                    " OR EXISTS (SELECT 1 FROM temp.sources_by_inode"
                    "            WHERE device = ? AND inode = ?)",
                    (absolute, device, inode),
                ).get,
            ),
        )

    def holdings(self) -> Iterator[list[Holding]]:
        """Every valid row with what the ledger has on its edit and on its path, by pages."""
        new = not self._do(
            lambda db: (
                db.execute(
                    "SELECT EXISTS (SELECT 1 FROM main.edits)"
                    " OR EXISTS (SELECT 1 FROM main.placements)",
                ).get
            ),
        )
        select = _UNHELD if new else HOLDINGS.format(source="temp.rows")
        for page in self._pages(f"{select} WHERE r.fault IS NULL", column="r.number"):
            yield [holding_of(row) for row in page]

    def known_files(self, path: str) -> list[Known]:
        """Every result that the ledger ever had, or prepared, for this path."""
        known = (
            "SELECT e.key, p.digest, p.suffix FROM main.placements p"
            " JOIN main.edits e ON e.id = p.edit WHERE p.path = ? AND p.digest IS NOT NULL AND"
        )
        return self._do(
            lambda db: [
                Known(key=key, digest=digest, suffix=suffix, stamp=None)
                for key, digest, suffix in db.execute(
                    f"{known} p.state = 'saved' AND p.replaced IS NULL"
                    f" UNION ALL {known} (p.state <> 'saved' OR p.replaced IS NOT NULL)",
                    (path, path),
                )
            ],
        )

    def judge(self, judged: Sequence[Judged]) -> None:
        """Record what becomes of some valid rows, which follow each other."""
        spans = [
            (fate, expected, rows[0].number, rows[-1].number)
            for (fate, expected), group in groupby(judged, lambda one: (one.fate, one.expected))
            for rows in [list(group)]
        ]
        faults = [(encode_fault(one.fault), one.number) for one in judged if one.fault]

        def record(db: apsw.Connection) -> None:
            db.executemany(
                "UPDATE temp.rows SET fate = ?, expected = ?"
                " WHERE number BETWEEN ? AND ? AND fault IS NULL",
                spans,
            )
            db.executemany("UPDATE temp.rows SET fault = ? WHERE number = ?", faults)

        self._do(record)

    def finish_judging(self) -> None:
        """All fates are known: index them by their edits."""

        def index(db: apsw.Connection) -> None:
            db.execute("CREATE INDEX temp.rows_key ON rows (key, fate, number)")

        self._do(index)

    def refused(self) -> Iterator[tuple[int, str, Fault]]:
        """Every invalid row, in the manifest's order: line, image, why."""
        for page in self._pages(
            "SELECT r.number, t.row, r.fault, r.key IS NOT NULL FROM temp.rows r"
            " JOIN temp.texts t ON t.number = r.number WHERE r.fault IS NOT NULL",
            column="r.number",
        ):
            for _, blob, fault, keyed in page:
                row = decode_keyed(blob).row if keyed else decode_bad(blob)
                yield row.line, row.image, _decode_fault(fault)

    def _pages(self, select: str, *, column: str) -> Iterator[list[Any]]:
        """The rows of a query whose first column is `number`, a page at a time."""
        last = 0
        while True:
            page = self._do(
                lambda db, last=last: all_rows(
                    db.execute(  # type: ignore[misc] # bound on purpose
                        f"{select} AND {column} > ? ORDER BY {column} LIMIT ?",
                        (last, PAGE),
                    )
                ),
            )
            if not page:
                return
            yield page
            last = page[-1][0]


def holding_of(row: tuple[Any, ...]) -> Holding:
    """One row of the query `HOLDINGS` as a value."""
    (number, key, path, state, kind, placed, suffix, owner, owner_suffix, digest, *stamp) = row
    return Holding(
        number=number,
        key=key,
        path=path,
        standing=standing_of(state, kind, placed),
        suffix=suffix or "",
        owner=None
        if owner is None
        else Known(
            key=owner,
            digest=digest,
            suffix=owner_suffix,
            stamp=None if None in stamp else FileStamp(*stamp),
        ),
    )
