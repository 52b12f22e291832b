from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import anyio
import apsw
import pytest

from qwenbatch.errors import DiskError, LedgerError
from qwenbatch.ledger import database
from qwenbatch.ledger.database import all_rows
from qwenbatch.ledger.writer import MOST_IN_BATCH, Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def writer(file: Path) -> Iterator[Writer]:
    writer = Writer(database.create_or_open(file, service="sandbox"))
    yield writer
    writer.close()


def note(gateway: str) -> Callable[[apsw.Connection], None]:
    def move(db: apsw.Connection) -> None:
        db.execute("INSERT INTO paces VALUES (?, 1.0)", (gateway,))

    return move


def refused(db: apsw.Connection) -> None:
    note("refused")(db)
    raise ValueError("a defect")


def noted(file: Path) -> list[str]:
    """What another connection sees: so it is committed."""
    db = database.open_reader(file)
    rows = [row[0] for row in all_rows(db.execute("SELECT gateway FROM paces ORDER BY gateway"))]
    db.close()
    return rows


class Gate:
    """A move that holds the writer until it is opened, so that others queue up behind it."""

    def __init__(self, writer: Writer) -> None:
        self._entered, self._opened = threading.Event(), threading.Event()
        self.future = writer.submit(self._wait)
        assert self._entered.wait(10)

    def _wait(self, _: apsw.Connection) -> None:
        self._entered.set()
        assert self._opened.wait(10)

    def open(self) -> None:
        self._opened.set()
        self.future.exception(10)  # whatever becomes of the batch, it is over


def test_writer_a_commit_that_is_refused_leaves_nothing_behind(writer: Writer, file: Path) -> None:
    def break_a_promise(db: apsw.Connection) -> None:
        """What the schema demands of the whole transaction is missed only by its commit."""
        db.execute("PRAGMA defer_foreign_keys = 1")
        note("lost")(db)
        db.execute("INSERT INTO placements (edit, path, state) VALUES (99, 'a', 'waiting')")

    with pytest.raises(apsw.ConstraintError):
        writer.now(break_a_promise)
    writer.now(note("next"))
    assert noted(file) == ["next"]


def test_writer_is_durable_when_it_returns(writer: Writer, file: Path) -> None:
    writer.now(note("a"))
    assert noted(file) == ["a"]


def test_writer_commits_together_what_queued_up_in_its_order(writer: Writer) -> None:
    gate = Gate(writer)
    order: list[int] = []
    commits: list[int] = []

    def count() -> bool:
        commits.append(len(order))
        return False

    writer.submit(lambda db: db.set_commit_hook(count))

    def move(number: int) -> Callable[[apsw.Connection], None]:
        return lambda _: order.append(number)

    futures = [writer.submit(move(number)) for number in range(100)]
    gate.open()
    for future in futures:
        future.result(10)
    assert order == list(range(100))
    assert commits == [100]


def test_writer_does_more_than_a_batch_in_order(writer: Writer, file: Path) -> None:
    gate = Gate(writer)
    futures = [writer.submit(note(f"{number:05}")) for number in range(MOST_IN_BATCH + 50)]
    gate.open()
    for future in futures:
        future.result(10)
    assert len(noted(file)) == MOST_IN_BATCH + 50


def test_writer_moves_that_come_while_one_is_done_share_its_commit(writer: Writer) -> None:
    commits: list[int] = []

    def count() -> bool:
        commits.append(1)
        return False

    writer.now(lambda db: db.set_commit_hook(count))
    commits.clear()
    gate = Gate(writer)
    futures = [writer.submit(note(f"{number}")) for number in range(15)]
    gate.open()
    for future in futures:
        future.result(10)
    assert len(commits) == 1


def test_writer_a_refused_move_takes_none_with_it(writer: Writer, file: Path) -> None:
    gate = Gate(writer)
    before, bad, after = (writer.submit(move) for move in (note("a"), refused, note("b")))
    gate.open()
    before.result(10)
    after.result(10)
    with pytest.raises(ValueError, match="a defect"):
        bad.result(10)
    assert noted(file) == ["a", "b"]


def test_writer_a_move_that_breaks_the_schema_takes_none_with_it(
    writer: Writer,
    file: Path,
) -> None:
    gate = Gate(writer)
    futures = [writer.submit(note("a")) for _ in range(2)]
    gate.open()
    futures[0].result(10)
    with pytest.raises(apsw.ConstraintError):
        futures[1].result(10)
    assert noted(file) == ["a"]


@pytest.mark.anyio
async def test_writer_a_cancelled_waiter_undoes_nothing(writer: Writer, file: Path) -> None:
    gate = Gate(writer)
    async with anyio.create_task_group() as group:
        group.start_soon(writer, note("a"))
        group.start_soon(writer, refused)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    gate.open()
    writer.now(note("b"))
    assert noted(file) == ["a", "b"]


def test_writer_close_finishes_what_is_queued(file: Path) -> None:
    writer = Writer(database.create_or_open(file, service="sandbox"))
    gate = Gate(writer)
    futures: list[Future[None]] = [writer.submit(note(f"{number:03}")) for number in range(20)]
    closing = threading.Thread(target=writer.close)
    closing.start()
    gate.open()
    closing.join(10)
    assert not closing.is_alive()
    assert all(future.done() for future in futures)
    assert len(noted(file)) == 20


def fill(db: apsw.Connection) -> None:
    db.execute("INSERT INTO paces VALUES (?, 1.0)", ("x" * 200_000,))


def limit(db: apsw.Connection) -> None:
    db.execute(f"PRAGMA max_page_count = {db.pragma('page_count') + 5}")


def test_writer_a_full_disk_is_a_disk_error_and_leaves_the_rest_whole(
    writer: Writer,
    file: Path,
) -> None:
    writer.now(note("a"))
    writer.now(limit)
    with pytest.raises(DiskError, match="cannot be written"):
        writer.now(fill)
    assert noted(file) == ["a"]
    writer.now(lambda db: db.execute("PRAGMA max_page_count = 100000"))
    writer.now(note("b"))
    assert noted(file) == ["a", "b"]


def test_writer_a_full_disk_tells_every_move_whether_it_is_recorded(
    writer: Writer,
    file: Path,
) -> None:
    writer.now(limit)
    gate = Gate(writer)
    futures = {
        name: writer.submit(move)
        for name, move in (("a", note("a")), ("full", fill), ("b", note("b")))
    }
    gate.open()
    recorded = []
    for name, future in futures.items():
        error = future.exception(10)
        if error is None:
            recorded.append(name)
        else:
            assert isinstance(error, DiskError)
    assert "full" not in recorded
    assert noted(file) == sorted(recorded)


def test_writer_a_multi_row_move_that_fills_the_disk_is_a_disk_error(writer: Writer) -> None:
    writer.now(limit)

    def many(db: apsw.Connection) -> None:
        db.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)"
            " INSERT INTO paces SELECT 'gateway ' || i || zeroblob(50), 1.0 FROM n",
        )

    with pytest.raises(DiskError):
        writer.now(many)


def test_writer_a_ledger_that_is_read_only_is_a_disk_error(file: Path) -> None:
    database.create_or_open(file, service="sandbox").close()
    writer = Writer(database.open_reader(file))
    with pytest.raises(DiskError):
        writer.now(note("a"))
    assert writer.now(lambda db: database.meta(db, "service")) == "sandbox"
    writer.close()


def test_writer_a_ledger_kept_busy_by_another_program_says_so(
    file: Path,
) -> None:
    connection = database.create_or_open(file, service="sandbox")
    connection.set_busy_timeout(1)
    other = apsw.Connection(str(file))
    other.execute("BEGIN IMMEDIATE")
    writer = Writer(connection)
    with pytest.raises(LedgerError, match="busy"):
        writer.now(note("a"))
    other.execute("ROLLBACK")
    other.close()
    writer.now(note("b"))
    writer.close()
    assert noted(file) == ["b"]


def test_writer_refuses_what_comes_after_its_end(file: Path) -> None:
    writer = Writer(database.create_or_open(file, service="sandbox"))
    last = writer.submit(note("a"))
    writer.close()
    assert last.done()
    with pytest.raises(RuntimeError, match="too late"):
        writer.submit(note("b"))
    assert noted(file) == ["a"]


def test_writer_that_fails_lets_nobody_wait(file: Path) -> None:
    writer = Writer(database.create_or_open(file, service="sandbox"))
    writer.now(note("a"))
    gate = Gate(writer)
    # Without its connection it can neither do a move nor undo one.
    futures = [writer.submit(lambda db: db.close()), *(writer.submit(note("b")) for _ in range(9))]
    futures += [writer.submit(note("c")) for _ in range(MOST_IN_BATCH)]
    gate.open()
    for future in futures:
        assert isinstance(future.exception(10), (DiskError, apsw.ConnectionClosedError))
    with pytest.raises(DiskError, match="can no longer be written"):
        writer.now(note("d"))
    writer.close()
    assert noted(file) == ["a"]


@pytest.mark.anyio
async def test_writer_what_one_turn_of_the_loop_asks_for_shares_one_commit(
    writer: Writer, file: Path
) -> None:
    commits = []

    def watch(_: apsw.Cursor, statement: str, __: object) -> bool:
        commits.append(statement == "COMMIT")
        return True

    await writer(lambda db: setattr(db, "exec_trace", watch))
    async with anyio.create_task_group() as group:
        for number in range(16):
            group.start_soon(writer, note(f"{number:02}"))
    assert noted(file) == [f"{number:02}" for number in range(16)]
    # That of the move which set the trace is seen, too.
    assert sum(commits) == 2


def test_writer_does_what_a_loop_asked_for_just_before_it_ended(writer: Writer, file: Path) -> None:
    loop = asyncio.new_event_loop()
    asked = writer(note("first"))
    loop.call_soon(asked.send, None)
    loop.call_soon(loop.stop)
    loop.run_forever()
    asked.close()
    loop.close()
    writer.now(note("second"))
    assert noted(file) == ["first", "second"]
