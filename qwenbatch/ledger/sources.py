"""The stat cache: a source that has not changed is not read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from qwenbatch.core.sources import SourceFacts
from qwenbatch.ledger import frames

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from qwenbatch.ledger.writer import Writer

_decode = msgspec.msgpack.Decoder(SourceFacts).decode
_encode = msgspec.msgpack.Encoder().encode


def facts_of(db: apsw.Connection, paths: Sequence[str]) -> dict[str, SourceFacts]:
    """What these files held when a run last read them, whatever they hold now."""
    found: dict[str, SourceFacts] = {}
    for path, framed in zip(paths, frames.find_all(db, paths), strict=True):
        row = db.execute(
            "SELECT facts FROM main.sources WHERE frame = ? AND path = ?", framed
        ).fetchone()
        if row is not None:
            found[path] = _decode(row[0])
    return found


class SourceCache:
    """Facts of sources by path and stamp; kept in the ledger, or for a check in the plan alone."""

    def __init__(self, writer: Writer, *, keep: bool) -> None:
        self._do = writer.now
        self._keeps = keep

    def look_up(self, paths: Sequence[str]) -> dict[str, SourceFacts]:
        """What is known of these files, as they were when they were read."""

        def find(db: apsw.Connection) -> dict[str, SourceFacts]:
            known = facts_of(db, paths)
            return known if self._keeps else known | _seen(db, paths)

        return self._do(find)

    def keep(self, seen: Sequence[tuple[str, SourceFacts]]) -> None:
        """Remember what was found in these files."""

        def remember(db: apsw.Connection) -> None:
            if self._keeps:
                db.executemany(
                    "INSERT OR REPLACE INTO main.sources (frame, path, facts) VALUES (?, ?, ?)",
                    [
                        (*framed, _encode(facts))
                        for framed, (_, facts) in zip(
                            frames.keep_all(db, (path for path, _ in seen)), seen, strict=True
                        )
                    ],
                )
            else:
                db.executemany(
                    "INSERT OR REPLACE INTO temp.seen (path, facts) VALUES (?, ?)",
                    [(path, _encode(facts)) for path, facts in seen],
                )

        self._do(remember)


def _seen(db: apsw.Connection, paths: Sequence[str]) -> dict[str, SourceFacts]:
    """What this plan has read, where the ledger must not be written."""
    return {
        path: _decode(facts)
        for path, facts in db.execute(
            "SELECT path, facts FROM temp.seen WHERE path IN (SELECT value FROM json_each(?))",
            (msgspec.json.encode(paths).decode(),),
        )
    }
