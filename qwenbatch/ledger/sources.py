"""The stat cache: a source that has not changed is not read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from qwenbatch.core.sources import SourceFacts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import apsw

    from qwenbatch.ledger.writer import Writer

_decode = msgspec.msgpack.Decoder(SourceFacts).decode
_encode = msgspec.msgpack.Encoder().encode


def facts_of(db: apsw.Connection, paths: Sequence[str]) -> dict[str, SourceFacts]:
    """What these files held when a run last read them, whatever they hold now."""
    return dict(_found(db, "main.sources", msgspec.json.encode(paths).decode()))


class SourceCache:
    """Facts of sources by path and stamp; kept in the ledger, or for a check in the plan alone."""

    def __init__(self, writer: Writer, *, keep: bool) -> None:
        self._do = writer.now
        self._table = "main.sources" if keep else "temp.seen"
        self._tables = ("main.sources",) if keep else ("main.sources", "temp.seen")

    def look_up(self, paths: Sequence[str]) -> dict[str, SourceFacts]:
        """What is known of these files, as they were when they were read."""

        def find(db: apsw.Connection) -> dict[str, SourceFacts]:
            wanted = msgspec.json.encode(paths).decode()
            return dict(one for table in self._tables for one in _found(db, table, wanted))

        return self._do(find)

    def keep(self, seen: Sequence[tuple[str, SourceFacts]]) -> None:
        """Remember what was found in these files."""
        rows = [(path, _encode(facts)) for path, facts in seen]
        self._do(
            lambda db: db.executemany(
                f"INSERT OR REPLACE INTO {self._table} (path, facts) VALUES (?, ?)",  # noqa: S608 - a constant
                rows,
            ),
        )


def _found(db: apsw.Connection, table: str, paths: str) -> Iterator[tuple[str, SourceFacts]]:
    for path, facts in db.execute(
        f"SELECT path, facts FROM {table}"  # noqa: S608 - a constant
        " WHERE path IN (SELECT value FROM json_each(?))",
        (paths,),
    ):
        yield path, _decode(facts)
