"""A real ledger on disk, moved by the ledger's own functions, and read as a command reads it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

import msgspec
import pytest

from qwenbatch.core.attempts import AttemptEnd, AttemptId, Permit, PermitRequest
from qwenbatch.core.budget import Caps
from qwenbatch.core.items import BadRow, FileSource, Row
from qwenbatch.core.keys import EditKey, edit_key
from qwenbatch.core.money import DEFAULT_PRICE, MicroUSD
from qwenbatch.core.placements import Displaced, FileStamp, Preparation, Saved
from qwenbatch.core.plan import DraftRow, KeyedRow
from qwenbatch.core.states import EditEvent, EditState
from qwenbatch.core.stops import exit_status
from qwenbatch.core.summary import Cost, EditCounts, Summary
from qwenbatch.ledger import edits, placements, runs
from qwenbatch.ledger.database import create_or_open, open_reader
from qwenbatch.ledger.plan import PlanStore, make_tables
from qwenbatch.ledger.standing import read_standing
from qwenbatch.ledger.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import apsw

    from qwenbatch.core.items import Fault
    from qwenbatch.core.standing import LedgerStanding
    from qwenbatch.core.stops import StopReason
    from qwenbatch.core.summary import ItemCounts
    from qwenbatch.core.verdicts import Kind

T = TypeVar("T")


@dataclass(slots=True)
class Book:
    """A ledger that is written one move at a time; `now` is its clock, in milliseconds."""

    file: Path
    out: Path
    now: int = 1_767_323_045_000
    run: int = 0
    _writer: Writer = field(init=False)
    _plans: int = 0

    def __post_init__(self) -> None:
        self._writer = Writer(create_or_open(self.file, service="pixazo"))

    def close(self) -> None:
        self._writer.close()

    def reopen(self) -> None:
        """What a run leaves to the next: temporary tables go with its connection."""
        self._writer.close()
        self._writer = Writer(create_or_open(self.file, service="pixazo"))

    def look(self, read: Callable[[apsw.Connection], T]) -> T:
        """Read with a connection that can only read, while the writer is open."""
        with closing(open_reader(self.file)) as db:
            return read(db)

    def standing(self) -> LedgerStanding:
        return self.look(read_standing)

    def begin(self, manifest: str = "/m.csv", *, name: str | None = None) -> int:
        name = name or f"run-{uuid4()}"
        self.run = self._writer.now(
            lambda db: runs.begin(
                db,
                name=name,
                manifest=manifest,
                spooled=(),
                now=self.now,
            ),
        )
        return self.run

    def end_run(self, items: ItemCounts, stop: StopReason | None = None) -> None:
        summary = Summary(
            run="r",
            stopped_by=stop,
            exit_status=exit_status(stop, items),
            items=items,
            edits=EditCounts(),
            cost=Cost(),
        )
        self._writer.now(lambda db: runs.close(db, self.run, summary, now=self.now))

    def record(self, rows: Sequence[Row | BadRow], manifest: str = "/m.csv") -> None:
        """Plan these rows, and remember them as those of a manifest."""
        if self._plans:
            self.reopen()
        self._plans += 1
        self._writer.now(make_tables)
        PlanStore(self._writer).add([draft(row) for row in rows])
        self._writer.now(lambda db: runs.record_items(db, manifest))

    def permit(
        self,
        row: Row,
        *,
        expected: EditState = EditState.PENDING,
        price: MicroUSD = DEFAULT_PRICE,
    ) -> AttemptId:
        attempt = AttemptId(uuid4())
        request = PermitRequest(
            key=key_of(row),
            attempt=attempt,
            price=price,
            expected=expected,
            paths=(path_of(row),),
        )
        answer = self._writer.now(
            lambda db: edits.permit(db, request, run=self.run, caps=Caps(), now=self.now),
        )
        assert isinstance(answer, Permit)
        return attempt

    def end(
        self,
        row: Row,
        attempt: AttemptId,
        event: EditEvent,
        kind: Kind | None = None,
        message: str = "",
    ) -> None:
        self.now += 1000
        answered = event is EditEvent.ANSWERED
        ended = AttemptEnd(
            key=key_of(row),
            attempt=attempt,
            event=event,
            kind=kind,
            message=message,
            request_id=f"request-{self.now}",
            url="https://r.example/a.png" if answered else None,
            width=1248 if answered else None,
            height=832 if answered else None,
        )
        self._writer.now(lambda db: edits.end(db, ended, now=self.now))

    def send(
        self,
        row: Row,
        event: EditEvent,
        kind: Kind | None = None,
        message: str = "",
        *,
        expected: EditState = EditState.PENDING,
    ) -> None:
        """One attempt from permit to end."""
        self.end(row, self.permit(row, expected=expected), event, kind, message)

    def place(self, row: Row, *, suffix: str = "", displaces: Row | None = None) -> None:
        moved = None
        if displaces is not None:
            moved = Displaced(key_of(displaces), ".qwenbatch/replaced/x.png")
        preparation = Preparation(
            key=key_of(row),
            path=path_of(row),
            suffix=suffix,
            replaced=None,
            digest=bytes(32),
            size=5,
            displaced=moved,
        )
        saved = Saved(key=key_of(row), path=path_of(row), stamp=FileStamp(5, 1, 1))
        self._writer.now(lambda db: placements.prepare(db, preparation))
        self._writer.now(lambda db: placements.save(db, saved))

    def lose(self, row: Row) -> None:
        self._writer.now(lambda db: placements.lose(db, key_of(row), path_of(row)))

    # ------------------------------------------------------------------ rows

    def row(self, number: int, **changes: object) -> Row:
        """A good row whose default result is `<number>.png`."""
        plain = Row(
            number=number,
            line=number + 1,
            image=f"{number}.jpg",
            source=FileSource(f"/p/{number}.jpg"),
            mirror=f"{number}.jpg",
            instruction="make it red",
        )
        return msgspec.structs.replace(plain, **changes)

    def bad_row(self, number: int, *faults: Fault, **changes: object) -> BadRow:
        """A row that was refused when it was read."""
        plain = BadRow(number=number, line=number + 1, faults=faults, image=f"{number}.jpg")
        return msgspec.structs.replace(plain, **changes)


def key_of(row: Row) -> EditKey:
    source = sha256(repr(row.source).encode()).hexdigest()
    return edit_key(source=source, instruction=row.instruction, take=row.take)


def path_of(row: Row) -> str:
    return row.output or f"{row.number}.png"


def draft(row: Row | BadRow) -> DraftRow:
    if isinstance(row, BadRow):
        return DraftRow(row=row, fault=row.faults[0])
    return DraftRow(row=row, keyed=KeyedRow(row=row, key=key_of(row)), path=path_of(row))


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    ledger = Book(tmp_path / "ledger.db", out=tmp_path / "out")
    yield ledger
    ledger.close()
