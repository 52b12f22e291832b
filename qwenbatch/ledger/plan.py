"""The plan of a run: its rows in temporary tables beside the ledger, never whole in memory."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

import msgspec

from qwenbatch.core.holdings import Holding, Known
from qwenbatch.core.items import Fault
from qwenbatch.core.placements import FileStamp
from qwenbatch.core.plan import Fate, KeyedRow, NamedRow
from qwenbatch.ledger.database import all_rows
from qwenbatch.ledger.standing import standing_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import apsw

    from qwenbatch.core.plan import DraftRow, Judged
    from qwenbatch.ledger.writer import Writer

PAGE = 1000
"""Rows that are looked at in one step, so that the ledger's writer is never held up for long."""

_CONTESTED = """
    fault IS NULL AND key IS NOT NULL AND fold IN (
        SELECT fold FROM temp.rows WHERE fault IS NULL AND key IS NOT NULL
        GROUP BY fold HAVING min(key) <> max(key) OR min(path) <> max(path))
"""

_HOLDS = """
    EXISTS (SELECT 1 FROM main.edits e JOIN main.placements p ON p.edit = e.id
            WHERE e.key = r.key AND p.path = r.path AND p.replaced IS NULL AND p.digest IS NOT NULL)
    AND NOT EXISTS (SELECT 1 FROM temp.rows o WHERE o.fold = r.fold AND o.level < 0
                    AND o.fault IS NULL AND o.key <> r.key)
"""

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

encode = msgspec.json.Encoder().encode
decode_keyed = msgspec.json.Decoder(KeyedRow).decode
_decode_fault = msgspec.json.Decoder(Fault).decode


def make_tables(db: apsw.Connection) -> None:
    """Make the plan's tables beside an open ledger, empty."""
    db.pragma("temp_store", "file")
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
                draft.row.line,
                draft.row.image,
                draft.source,
                encode(draft.keyed or draft.row),
                draft.keyed.key if draft.keyed else None,
                draft.path,
                draft.fold,
                draft.level,
                *(draft.size or (None, None)),
                encode(draft.fault) if draft.fault else None,
            )
            for draft in drafts
        ]
        paths = [(draft.source,) for draft in drafts if draft.source]
        inodes = [draft.identity for draft in drafts if draft.identity]

        def insert(db: apsw.Connection) -> None:
            db.executemany(
                "INSERT INTO temp.rows (number, line, image, source, row, key, path, fold, level,"
                " width, height, fault) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            db.executemany("INSERT OR IGNORE INTO temp.sources_by_path VALUES (?)", paths)
            db.executemany("INSERT OR IGNORE INTO temp.sources_by_inode VALUES (?, ?)", inodes)

        self._do(insert)

    def finish_reading(self) -> None:
        """All rows are in: index them."""

        def index(db: apsw.Connection) -> None:
            db.execute("CREATE INDEX temp.rows_fold ON rows (fold, key, path)")
            db.execute("CREATE INDEX temp.rows_key ON rows (key, number)")
            db.execute("CREATE INDEX temp.rows_path ON rows (path)")

        self._do(index)

    def contested_outputs(self) -> list[tuple[int, str]]:
        """Rows that name an output which another row, of another edit, names too: number, path."""
        return self._do(
            lambda db: all_rows(
                db.execute(
                    "SELECT number, path FROM temp.rows WHERE level < 0 AND fault IS NULL"
                    " AND fold IN (SELECT fold FROM temp.rows WHERE level < 0 AND fault IS NULL"
                    "  GROUP BY fold HAVING min(key) <> max(key) OR min(path) <> max(path))",
                )
            ),
        )

    def contested_names(self) -> Iterator[list[NamedRow]]:
        """Rows without an output whose default name is wanted by another edit too, by pages.

        Left out are those whose edit already holds its path. Which rows they are is settled before
        the first page, so that the pages may be renamed as they come.
        """
        self._do(
            lambda db: db.execute(
                "DELETE FROM temp.contested; INSERT INTO temp.contested"  # noqa: S608 - constants
                f" SELECT number FROM temp.rows r WHERE level >= 0 AND {_CONTESTED}"
                f" AND NOT ({_HOLDS})",
            ),
        )
        for page in self._pages(
            "SELECT number, row, level FROM temp.rows JOIN temp.contested USING (number)"
            " WHERE fault IS NULL",
        ):
            yield [NamedRow(keyed=decode_keyed(row), level=level) for _, row, level in page]

    def rename(self, names: Iterable[tuple[int, str, str, int]]) -> None:
        """Give rows other default names: number, path, fold, level."""
        values = [(path, fold, level, number) for number, path, fold, level in names]
        self._do(
            lambda db: db.executemany(
                "UPDATE temp.rows SET path = ?, fold = ?, level = ? WHERE number = ?",
                values,
            ),
        )

    def add_folders(self, folds: Iterable[str]) -> None:
        """Folders that results need, folded: no result may have such a path."""
        values = [(fold,) for fold in folds]
        self._do(
            lambda db: db.executemany("INSERT OR IGNORE INTO temp.folders VALUES (?)", values),
        )

    def outputs_that_are_folders(self) -> list[tuple[int, str]]:
        """Rows whose path another row needs as a folder: number, path."""
        return self._do(
            lambda db: all_rows(
                db.execute(
                    "SELECT number, path FROM temp.rows WHERE fault IS NULL"
                    " AND fold IN (SELECT fold FROM temp.folders)",
                )
            ),
        )

    def refuse(self, faults: Iterable[tuple[int, Fault]]) -> None:
        """Make rows invalid: number, why."""
        values = [(encode(fault), Fate.INVALID, number) for number, fault in faults]
        self._do(
            lambda db: db.executemany(
                "UPDATE temp.rows SET fault = ?, fate = ? WHERE number = ?",
                values,
            ),
        )

    def paths(self) -> Iterator[str]:
        """The paths of all valid rows."""
        for page in self._pages("SELECT number, path FROM temp.rows WHERE fault IS NULL"):
            for _, path in page:
                yield path

    def outputs_that_are_sources(self, out: str) -> list[tuple[int, str]]:
        """Rows whose path below OUT is the very path of some row's source: number, path."""
        return self._do(
            lambda db: all_rows(
                db.execute(
                    "SELECT number, path FROM temp.rows WHERE fault IS NULL"
                    " AND ? || path IN (SELECT path FROM temp.sources_by_path)",
                    (f"{out}/",),
                )
            ),
        )

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
        for page in self._pages(
            f"{HOLDINGS.format(source='temp.rows')} WHERE r.fault IS NULL",
            alias="r.",
        ):
            yield [holding_of(row) for row in page]

    def known_files(self, path: str) -> list[Known]:
        """Every result that the ledger ever had, or prepared, for this path."""
        return self._do(
            lambda db: [
                Known(key=key, digest=digest, suffix=suffix, stamp=None)
                for key, digest, suffix in db.execute(
                    "SELECT e.key, p.digest, p.suffix FROM main.placements p"
                    " JOIN main.edits e ON e.id = p.edit"
                    " WHERE p.path = ? AND p.digest IS NOT NULL",
                    (path,),
                )
            ],
        )

    def judge(self, judged: Sequence[Judged]) -> None:
        """Record what becomes of some rows."""
        values = [
            (
                item.fate,
                item.expected,
                encode(item.fault) if item.fault else None,
                item.number,
            )
            for item in judged
        ]
        self._do(
            lambda db: db.executemany(
                "UPDATE temp.rows SET fate = ?, expected = ?, fault = ifnull(?, fault)"
                " WHERE number = ?",
                values,
            ),
        )

    def refused(self) -> Iterator[tuple[int, str, Fault]]:
        """Every invalid row, in the manifest's order: line, image, why."""
        for page in self._pages(
            "SELECT number, line, image, fault FROM temp.rows WHERE fault IS NOT NULL",
        ):
            for _, line, image, fault in page:
                yield line, image, _decode_fault(fault)

    def _pages(self, select: str, *, alias: str = "") -> Iterator[list[Any]]:
        """The rows of a query whose first column is `number`, a page at a time."""
        column = f"{alias}number"
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
