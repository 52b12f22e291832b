"""Which rows of a plan want a path that they cannot all have. Each function is one step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwenbatch.ledger.database import all_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    import apsw

    from qwenbatch.core.keys import EditKey

# Of most names there is one: those that there are more of are found in the index alone.
_DOUBLED = """
    DELETE FROM temp.doubled;
    INSERT INTO temp.doubled SELECT fold FROM temp.rows INDEXED BY rows_fold
        WHERE fold IS NOT NULL GROUP BY fold HAVING count(*) > 1;
"""

_GROUPS = """
    SELECT fold FROM temp.rows WHERE fold IN (SELECT fold FROM temp.doubled)
        AND fault IS NULL AND key IS NOT NULL AND level BETWEEN ?1 AND ?2
    GROUP BY fold HAVING min(key) <> max(key) OR min(path) <> max(path)
"""

_HOLDS = """
    EXISTS (SELECT 1 FROM main.edits e JOIN main.placements p ON p.edit = e.id
            WHERE e.key = r.key AND p.path = r.path AND p.replaced IS NULL AND p.digest IS NOT NULL)
    AND NOT EXISTS (SELECT 1 FROM temp.rows o WHERE o.fold = r.fold AND o.level < 0
                    AND o.fault IS NULL AND o.key <> r.key)
"""

_FOLDER = "rtrim({0}, replace({0}, '/', ''))"


def outputs(db: apsw.Connection) -> list[tuple[int, str]]:
    """Rows that name an output which another row, of another edit, names too: number, path."""
    db.execute(_DOUBLED)
    return all_rows(
        db.execute(
            "SELECT number, path FROM temp.rows WHERE level < 0 AND fault IS NULL"  # noqa: S608 - constants
            f" AND fold IN ({_GROUPS})",
            (-1, -1),
        ),
    )


def note_names(db: apsw.Connection, level: int) -> int:
    """Note rows of at most this level whose default name is wanted by another; how many.

    Names that rows of this level left while they were read count as wanted. Left out are rows
    whose edit already holds its path.
    """
    db.execute(_DOUBLED)
    db.execute(
        "DELETE FROM temp.contested; INSERT INTO temp.contested"  # noqa: S608 - constants
        " SELECT number FROM temp.rows r WHERE level BETWEEN 0 AND ?2"
        " AND fault IS NULL AND key IS NOT NULL"
        f" AND fold IN ({_GROUPS} UNION SELECT fold FROM temp.passed WHERE level = ?2)"
        f" AND NOT ({_HOLDS})",
        (-1, level),
    )
    return int(db.execute("SELECT count(*) FROM temp.contested").get)


def held(db: apsw.Connection, keys: Iterable[EditKey]) -> set[tuple[EditKey, str]]:
    """The paths that these edits hold: key and path."""
    if not db.execute("SELECT EXISTS (SELECT 1 FROM main.placements)").get:
        return set()
    found: set[tuple[EditKey, str]] = set()
    for key in keys:
        found.update(
            db.execute(
                "SELECT e.key, p.path FROM main.edits e JOIN main.placements p ON p.edit = e.id"
                " WHERE e.key = ? AND p.replaced IS NULL AND p.digest IS NOT NULL",
                (key,),
            ),
        )
    return found


def folders(db: apsw.Connection) -> list[tuple[int, str]]:
    """Rows whose path another row needs as a folder: number, path."""
    db.execute(
        "INSERT OR IGNORE INTO temp.folders"  # noqa: S608 - constants
        f" SELECT DISTINCT {_FOLDER.format('fold')} FROM temp.rows WHERE fault IS NULL",
    )
    parent = _FOLDER.format("rtrim(fold, '/')")
    while db.changes():  # a folder needs those that it lies in
        db.execute(
            f"INSERT OR IGNORE INTO temp.folders SELECT DISTINCT {parent} FROM temp.folders",  # noqa: S608 - constants
        )
    return all_rows(
        db.execute(
            "SELECT number, path FROM temp.rows WHERE fault IS NULL"
            " AND fold IN (SELECT rtrim(fold, '/') FROM temp.folders WHERE fold <> '')"
            " ORDER BY number",
        ),
    )


def sources(db: apsw.Connection, out: str) -> list[tuple[int, str]]:
    """Rows whose path below OUT is the very path of some row's source: number, path."""
    below = f"{out.rstrip('/')}/"
    if not db.execute(
        "SELECT EXISTS (SELECT 1 FROM temp.sources_by_path WHERE path >= ? AND path < ?)",
        (below, f"{below[:-1]}0"),  # "0" is next to "/"
    ).get:
        return []
    return all_rows(
        db.execute(
            "SELECT number, path FROM temp.rows WHERE fault IS NULL"
            " AND ? || path IN (SELECT path FROM temp.sources_by_path)",
            (below,),
        ),
    )
