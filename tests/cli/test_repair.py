from __future__ import annotations

import shutil
from contextlib import closing
from typing import TYPE_CHECKING, Any

import apsw
import pytest

from qwenbatch.cli.app import command
from qwenbatch.ledger.database import all_rows
from qwenbatch.ledger.lock import locked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Say = Callable[..., tuple[int, str]]

ROWS = 90


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Call `qwenbatch` with arguments; its exit status and all that it wrote."""

    def run(*arguments: object) -> tuple[int, str]:
        capsys.readouterr()
        status = command([str(argument) for argument in arguments])
        written = capsys.readouterr()
        return status, written.out + written.err

    return run


@pytest.fixture
def kept(shop: Any) -> Any:
    """A shop with a saved, and an uncertain edit, and many whose ledger rows fill pages."""
    shop.picture("a.jpg")
    source = shop.manifest(
        "m.jsonl",
        {"image": "a.jpg", "instruction": "sepia", "output": "one.png"},
        {"image": "a.jpg", "instruction": "vague", "output": "two.png"},
    )
    shop.run(source, doubt="vague")
    with closing(apsw.Connection(str(ledger_of(shop)))) as db, db:
        db.execute(
            "WITH RECURSIVE n (i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n LIMIT ?)"
            " INSERT INTO edits (id, key, state)"
            " SELECT i, CAST(printf('%032d', i) AS BLOB), 'edited' FROM n",
            (ROWS,),
        )
        db.execute(
            "INSERT INTO attempts (edit, id, run, sent_at, price, state, message)"
            " SELECT id, CAST(id AS BLOB), 1, 1700000000000, 55000, 'paid', printf('%0200d', id)"
            " FROM edits WHERE id >= 10"
        )
        db.execute(
            "INSERT INTO placements (edit, path, state, digest)"
            " SELECT id, printf('in/%0100d.png', id), 'lost', zeroblob(32) FROM edits"
            " WHERE id >= 10"
        )
    with closing(apsw.Connection(str(ledger_of(shop)))) as db:
        db.pragma("wal_checkpoint(TRUNCATE)")
    return shop


def ledger_of(shop: Any) -> Path:
    ledger: Path = shop.out / ".qwenbatch/ledger.db"
    return ledger


def facts(shop: Any) -> dict[str, str]:
    with closing(apsw.Connection(str(ledger_of(shop)))) as db:
        return {str(name): str(value) for name, value in db.execute("SELECT * FROM meta")}


def states(path: Path) -> dict[bytes, str]:
    with closing(apsw.Connection(str(path))) as db:
        found = all_rows(db.execute("SELECT key, state FROM edits"))
    return dict(found)


def pages_of(path: Path) -> tuple[int, int]:
    with closing(apsw.Connection(str(path))) as db:
        return db.pragma("page_count"), db.pragma("page_size")


def spoil(path: Path, page: int, size: int, content: bytes = b"\xff") -> None:
    """Overwrite one page."""
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(content * size)


def root_of(path: Path, name: str) -> int:
    with closing(apsw.Connection(str(path))) as db:
        return int(db.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (name,)).get)


def test_repair_leaves_a_sound_ledger_alone(kept: Any, say: Say) -> None:
    before = ledger_of(kept).read_bytes()
    status, told = say("doctor", "--repair", kept.out)
    assert (status, "is sound: nothing was changed" in told) == (0, True)
    assert ledger_of(kept).read_bytes() == before


def test_repair_mends_wrong_totals_and_loses_nothing(kept: Any, say: Say) -> None:
    before, was = facts(kept), states(ledger_of(kept))
    with closing(apsw.Connection(str(ledger_of(kept)))) as db:
        db.execute("UPDATE spending SET paid = 1")
    assert "wrong total" in say("audit", kept.out)[1]
    status, told = say("doctor", "--repair", kept.out)
    assert (status, "nothing was lost" in told) == (0, True)
    assert (facts(kept), states(ledger_of(kept))) == (before, was)
    assert "wrong total" not in say("audit", kept.out)[1]
    (aside,) = ledger_of(kept).parent.glob("ledger.db.damaged-*[0-9]")
    assert states(aside) == was
    assert ledger_of(kept).stat().st_mode & 0o777 == 0o600
    summary, posts = kept.run(kept.folder / "m.jsonl")
    assert (summary.items.saved, summary.items.uncertain, posts) == (1, 1, 0)


def test_repair_never_lets_a_lost_edit_be_paid_again(kept: Any, say: Say) -> None:
    was = states(ledger_of(kept))
    _, size = pages_of(ledger_of(kept))
    spoil(ledger_of(kept), root_of(ledger_of(kept), "edits"), size)
    assert say("status", kept.out)[0] in {0, 2}
    status, told = say("doctor", "--repair", kept.out)
    assert status == 3
    assert "not all could be read of: edits" in told
    assert "MONEY MAY BE UNACCOUNTED FOR" in told
    assert states(ledger_of(kept)) == was
    summary, posts = kept.run(kept.folder / "m.jsonl")
    assert (summary.items.saved, summary.items.uncertain, posts) == (1, 1, 0)
    assert "wrong total" not in say("audit", kept.out)[1]


def test_repair_of_a_ledger_with_any_page_spoiled_makes_nothing_pending(
    kept: Any, say: Say
) -> None:
    ledger = ledger_of(kept)
    was, good = states(ledger), kept.folder / "good.db"
    shutil.copy(ledger, good)
    count, size = pages_of(ledger)
    assert count > 20
    for page in range(1, count + 1):
        shutil.copy(good, ledger)
        spoil(ledger, page, size)
        status, told = say("doctor", "--repair", kept.out)
        assert (status in {0, 3}, "Traceback" in told) == (True, False), told
        now = states(ledger)
        assert set(now.values()) <= {"edited", "uncertain"}
        assert len(now) == len(was) or "MONEY MAY BE UNACCOUNTED FOR" in told, (page, told)
        status, told = say("doctor", "--repair", kept.out)
        assert (status, "is sound" in told) == (0, True)
    assert len(list(ledger.parent.glob("ledger.db.damaged-*[0-9]"))) > count // 2


def test_repair_of_a_ledger_that_is_cut_off_saves_its_beginning(kept: Any, say: Say) -> None:
    ledger = ledger_of(kept)
    with ledger.open("r+b") as file:
        file.truncate(ledger.stat().st_size // 2)
    status, told = say("doctor", "--repair", kept.out)
    assert (status, "not all could be read of" in told) == (3, True)
    assert set(states(ledger).values()) <= {"edited", "uncertain"}


def test_repair_of_rubble_begins_anew_and_leaves_results_alone(kept: Any, say: Say) -> None:
    ledger_of(kept).write_bytes(b"rubble" * 5000)
    before = (kept.out / "one.png").read_bytes()
    assert say("status", kept.out)[0] == 2
    status, told = say("doctor", "--repair", kept.out)
    assert (status, "no row could be read" in told) == (3, True)
    assert "its service could not be read: pixazo" in told
    assert facts(kept)["service"] == "pixazo"
    assert (kept.out / "one.png").read_bytes() == before


def test_repair_is_refused_while_a_run_holds_the_ledger(kept: Any, say: Say) -> None:
    ledger_of(kept).write_bytes(b"rubble" * 5000)
    with locked(ledger_of(kept).with_name("ledger.db.lock")):
        assert say("doctor", "--repair", kept.out)[0] == 10
    assert ledger_of(kept).read_bytes().startswith(b"rubble")


def test_repair_leaves_the_database_of_another_program_alone(shop: Any, say: Say) -> None:
    ledger_of(shop).parent.mkdir(parents=True)
    with closing(apsw.Connection(str(ledger_of(shop)))) as db:
        db.execute("CREATE TABLE recipes (id INTEGER PRIMARY KEY)")
    before = ledger_of(shop).read_bytes()
    assert say("doctor", "--repair", shop.out)[0] == 2
    assert ledger_of(shop).read_bytes() == before


def test_repair_that_was_cut_short_is_refused_by_all_and_ended_by_another(
    kept: Any, say: Say
) -> None:
    ledger = ledger_of(kept)
    was = states(ledger)
    ledger.rename(ledger.with_name("ledger.db.rebuilt"))
    for arguments in (
        ("status", kept.out),
        ("audit", kept.out),
        ("settle", kept.out, "--as", "paid"),
        ("run", kept.folder / "m.jsonl", "-o", kept.out),
    ):
        status, told = say(*arguments)
        assert (status, "was cut short" in told, "doctor --repair" in told) == (2, True, True)
    assert not ledger.exists()
    say("doctor", "--repair", kept.out)
    assert states(ledger) == was


def test_repair_without_a_ledger_is_a_mistake_of_usage(shop: Any, say: Say) -> None:
    assert say("doctor", "--repair", shop.out)[0] == 2
    assert not shop.out.exists()
