from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from qwenbatch.core.attempts import AttemptEnd, AttemptId, PermitRequest
from qwenbatch.core.budget import Caps
from qwenbatch.core.keys import EditKey
from qwenbatch.core.money import MicroUSD
from qwenbatch.core.placements import FileStamp, Preparation, Saved
from qwenbatch.core.states import EditEvent, EditState
from qwenbatch.core.verdicts import Kind
from qwenbatch.ledger import database, edits, placements

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import apsw

    from qwenbatch.core.attempts import PermitAnswer

PRICE = MicroUSD(55_000)
DAY = 86_400_000
NOW = 20_000 * DAY + 5
KINDS = {
    EditEvent.ANSWERED: None,
    EditEvent.RETRIABLE: Kind.SERVER_ERROR,
    EditEvent.REFUSED: Kind.MODERATED,
    EditEvent.DOUBTED: Kind.CUT_OFF,
}
SUMS = """
    SELECT {by}, sum(price * (state = 'reserved')), sum(price * (state = 'paid')),
           sum(price * (state = 'uncertain')), count(*), sum(state = 'paid')
    FROM attempts GROUP BY {by}
"""


def key_of(number: int) -> EditKey:
    return EditKey(sha256(b"edit %d" % number).digest())


def attempt_of(number: int) -> AttemptId:
    return AttemptId(UUID(int=number))


def ended(
    number: int,
    attempt: int,
    event: EditEvent,
    *,
    kind: Kind | None = None,
    raw: bytes = b"{}",
) -> AttemptEnd:
    answered = event is EditEvent.ANSWERED
    return AttemptEnd(
        key=key_of(number),
        attempt=attempt_of(attempt),
        event=event,
        kind=kind or KINDS[event],
        status=200 if answered else 500,
        message="" if answered else "words",
        request_id=f"request {attempt}",
        url=f"https://r2.test/{attempt}.png" if answered else None,
        width=1248 if answered else None,
        height=832 if answered else None,
        raw=raw,
    )


def state_item(
    db: apsw.Connection,
    number: int,
    key: EditKey | None,
    path: str | None,
    fault: str | None = None,
) -> None:
    """Record an item of the manifest 1, with its edit."""
    db.execute(
        "INSERT INTO edits (key, state) SELECT ?1, 'pending' WHERE ?1 IS NOT NULL"
        " ON CONFLICT DO NOTHING",
        (key,),
    )
    db.execute(
        "INSERT INTO items (manifest, number, line, image_frame, image, instruction,"
        " negative_prompt, watermark, take, edit, path, fault) VALUES (1, ?1, ?1, 0, '', '', '', 0,"
        " 1, (SELECT id FROM edits WHERE key = ?), ?, ?)",
        (number, key, path, fault),
    )


class Book:
    """The ledger's moves on a real file, each in a transaction of its own."""

    def __init__(self, db: apsw.Connection) -> None:
        self.db = db
        self.now = NOW
        self.run = 1
        self.caps = Caps()

    def permit(
        self,
        number: int,
        attempt: int,
        *,
        expected: EditState = EditState.PENDING,
        price: int = PRICE,
        paths: tuple[str, ...] = (),
    ) -> PermitAnswer:
        request = PermitRequest(
            key=key_of(number),
            attempt=attempt_of(attempt),
            price=MicroUSD(price),
            expected=expected,
            paths=paths or (f"{number}.png",),
        )
        with self.db:
            answer = edits.permit(self.db, request, run=self.run, caps=self.caps, now=self.now)
        return answer  # noqa: RET504 - after the transaction, which mypy thinks may swallow

    def end(self, number: int, attempt: int, event: EditEvent, kind: Kind | None = None) -> None:
        with self.db:
            edits.end(self.db, ended(number, attempt, event, kind=kind), now=self.now)

    def release(self, number: int, attempt: int, kind: Kind | None = None) -> None:
        with self.db:
            edits.release(self.db, key_of(number), attempt_of(attempt), kind)

    def recover(self) -> int:
        with self.db:
            found = edits.recover(self.db, now=self.now)
        return found  # noqa: RET504 - likewise

    def bring(self, number: int, state: EditState) -> None:
        """Make an edit that stands so, by its first attempts (numbers 900 and up)."""
        first = 900 + number
        if state is EditState.PENDING:
            return
        self.permit(number, first)
        if state is not EditState.SENDING:
            event = {
                EditState.EDITED: EditEvent.ANSWERED,
                EditState.UNCERTAIN: EditEvent.DOUBTED,
                EditState.FAILED: EditEvent.REFUSED,
            }[state]
            self.end(number, first, event)

    def lose(self, number: int, path: str = "") -> None:
        with self.db:
            placements.lose(self.db, key_of(number), path or f"{number}.png")

    def prepare(self, number: int, path: str = "", **more: Any) -> None:
        preparation = Preparation(
            key=key_of(number),
            path=path or f"{number}.png",
            suffix=more.get("suffix", ""),
            replaced=more.get("replaced"),
            digest=more.get("digest", b"d" * 32),
            size=7,
            displaced=more.get("displaced"),
        )
        with self.db:
            placements.prepare(self.db, preparation)

    def save(self, number: int, path: str = "", inode: int = 1) -> None:
        stamp = FileStamp(size=7, mtime=1, inode=inode)
        saved = Saved(key=key_of(number), path=path or f"{number}.png", stamp=stamp)
        with self.db:
            placements.save(self.db, saved)

    # ------------------------------------------------------------------ what is in it

    def state(self, number: int) -> EditState | None:
        row = self.db.execute(
            "SELECT state FROM edits WHERE key = ?",
            (key_of(number),),
        ).fetchone()
        return EditState(row[0]) if row else None

    def edit(self, number: int) -> Any:
        return self.db.execute(
            "SELECT state, origin, attempt, kind FROM edits WHERE key = ?",
            (key_of(number),),
        ).fetchone()

    def attempts(self, number: int) -> dict[int, str]:
        return {
            int.from_bytes(name): state
            for name, state in self.db.execute(
                "SELECT a.id, a.state FROM attempts a JOIN edits e ON e.id = a.edit"
                " WHERE e.key = ?",
                (key_of(number),),
            )
        }

    def placement(self, number: int, path: str = "") -> Any:
        return self.db.execute(
            "SELECT p.state, p.suffix, p.replaced, p.digest, p.size, p.mtime, p.inode"
            " FROM placements p JOIN edits e ON e.id = p.edit WHERE e.key = ? AND p.path = ?",
            (key_of(number), path or f"{number}.png"),
        ).fetchone()

    def money(self) -> tuple[int, int, int]:
        """Reserved, paid and uncertain, of this run."""
        spending = edits.run_spending(self.db, self.run)
        return spending.reserved, spending.paid, spending.uncertain

    def money_of_all(self) -> tuple[int, int, int]:
        """Reserved, paid and uncertain, of all runs."""
        reserved, paid, uncertain = self.db.execute(
            "SELECT ifnull(sum(reserved), 0), ifnull(sum(paid), 0), ifnull(sum(uncertain), 0)"
            " FROM spending WHERE scope = 'run'",
        ).get
        return reserved, paid, uncertain

    def check(self) -> None:
        """The running totals are what the attempts and the edits add up to."""
        for scope, column in (("run", "run"), ("day", f"sent_at / {DAY}")):
            summed = {row[0]: row[1:] for row in self.db.execute(SUMS.format(by=column))}
            kept = {
                row[0]: row[1:]
                for row in self.db.execute(
                    "SELECT id, reserved, paid, uncertain, attempts, bought FROM spending"
                    " WHERE scope = ?",
                    (scope,),
                )
            }
            assert {number: row for number, row in kept.items() if any(row)} == summed
        tally = dict(
            self.db.execute("SELECT state || '/' || kind, edits FROM tally WHERE edits <> 0"),
        )
        counted = dict(
            self.db.execute(
                "SELECT state || '/' || ifnull(kind, ''), count(*) FROM edits GROUP BY 1",
            ),
        )
        assert tally == counted


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    db = database.create_or_open(tmp_path / "ledger.db", service="sandbox")
    yield Book(db)
    db.close()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
