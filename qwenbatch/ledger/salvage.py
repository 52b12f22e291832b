"""Reads what can be read of a damaged ledger: row by row, and on behind whatever is broken."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import apsw

from qwenbatch.errors import LedgerError
from qwenbatch.ledger import database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

UNREADABLE = (apsw.CorruptError, apsw.NotADBError, apsw.IOError, apsw.SQLError, apsw.FormatError)
"""What SQLite says of a table that is broken, cut off, or missing from a broken schema."""

_HIGHEST = 1 << 60
"""No row has a higher number: none is drawn, they are counted up."""

_KEY_BYTES = 32
_LAST_KEY = (1 << 8 * _KEY_BYTES) - 1


class Wreck:
    """A damaged ledger, open for reading only; `broken` gathers the tables with a gap."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self.broken: set[str] = set()

    def fact(self, name: str) -> str:
        """A fact about the ledger itself; empty if it cannot be read."""
        try:
            return database.meta(self._connection, name)
        except UNREADABLE:
            self.broken.add("meta")
            return ""

    def rows(self, table: str, seek: str, columns: str) -> Iterator[tuple[Any, ...]]:
        """The readable rows of a table in the order of the whole number in `seek`.

        What lies between two readable places is leapt over. A row may come twice.
        """
        query = (
            f"SELECT {seek}, {columns} FROM {table} NOT INDEXED"  # noqa: S608 - names of our schema
            f" WHERE {seek} >= ? ORDER BY {seek}"
        )
        start: int | None = 0
        while start is not None:
            last = start - 1
            try:
                for row in self._connection.execute(query, (start,)):
                    last = row[0]
                    yield row[1:]
            except UNREADABLE:
                self.broken.add(table)
                start = self._next_readable(query, last + 1, int, _HIGHEST)
            else:
                return

    def keys(self) -> Iterator[tuple[int, bytes]]:
        """The number and the key of every edit that can be read in the index of the keys.

        It is another place than the edits' rows: what is broken there may be whole here.
        """
        query = "SELECT key, id FROM edits INDEXED BY edits_key WHERE key >= ? ORDER BY key"
        start: int | None = 0
        while start is not None:
            last = start - 1
            try:
                for key, edit in self._connection.execute(query, (_key(start),)):
                    last = max(last, int.from_bytes(key[:_KEY_BYTES]))
                    if len(key) == _KEY_BYTES:
                        yield edit, key
            except UNREADABLE:
                start = self._next_readable(query, last + 1, _key, _LAST_KEY)
            else:
                return

    def _next_readable(
        self, query: str, start: int, value: Callable[[int], int | bytes], highest: int
    ) -> int | None:
        """The least place from `start` on from which a row can be read; None if there is none.

        `value` makes of a place, which is `highest` at the most, what the query asks for.
        """
        if start > highest:
            return None
        if self._is_readable(query, value(start)):
            return start
        leap = 1
        while start + leap <= highest and not self._is_readable(query, value(start + leap)):
            leap *= 2
        if start + leap > highest:
            return None
        low, high = start + leap // 2, start + leap
        while low < high:
            middle = (low + high) // 2
            if self._is_readable(query, value(middle)):
                high = middle
            else:
                low = middle + 1
        return high

    def _is_readable(self, query: str, start: int | bytes) -> bool:
        try:
            self._connection.execute(f"{query} LIMIT 1", (start,)).fetchone()
        except UNREADABLE:
            return False
        return True


def _key(place: int) -> bytes:
    return place.to_bytes(_KEY_BYTES)


def open_wreck(path: Path) -> apsw.Connection | None:
    """A ledger that may be damaged, for reading only; None if SQLite can make nothing of it.

    Raises LedgerError if it is sound enough to show that it belongs to another program or version.
    """
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    connection.set_busy_timeout(database.BUSY_MILLISECONDS)
    try:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema")}
        version = connection.pragma("user_version")
    except UNREADABLE:
        connection.close()
        return None
    if {"attempts", "edits", "placements"} - tables or version != database.SCHEMA_VERSION:
        with closing(connection):
            raise LedgerError(
                f"{path} is no ledger of this version of qwenbatch",
                "nothing was changed; use the version that made it, or choose another --ledger",
            )
    return connection
