from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import apsw
import pytest

from qwenbatch.cli.app import command
from qwenbatch.core.plan import Asked
from qwenbatch.ledger.lock import locked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Look = Callable[[], tuple[int, dict[str, Any]]]


@pytest.fixture
def stocked(shop: Any) -> Any:
    """A shop with two saved edits."""
    shop.picture("a.jpg")
    shop.manifest(
        "shop.jsonl",
        {"image": "a.jpg", "instruction": "sepia", "output": "one.png"},
        {"image": "a.jpg", "instruction": "vague", "output": "in/two.png"},
    )
    summary, _ = shop.run(shop.folder / "shop.jsonl")
    assert summary.items.saved == 2
    return shop


@pytest.fixture
def look(stocked: Any, capsys: pytest.CaptureFixture[str]) -> Look:
    """`audit --json`: its exit status and what it told."""

    def run() -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        status = command(["audit", str(stocked.out), "--json"])
        told: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert told["exit_status"] == status
        return status, told

    return run


def found(told: dict[str, Any]) -> dict[str, list[str | None]]:
    """The paths of the findings of each kind; the counts must agree."""
    listed: dict[str, list[str | None]] = {}
    for finding in told["findings"]:
        listed.setdefault(finding["kind"], []).append(finding["path"])
    counted = {kind: count for kind, count in told["counts"].items() if count}
    assert counted == {kind: len(paths) for kind, paths in listed.items()}
    return listed


def change(out: Path, *statements: str) -> None:
    """Write into the ledger past the program."""
    connection = apsw.Connection(str(out / ".qwenbatch/ledger.db"))
    for statement in statements:
        connection.execute(statement)
    connection.close()


def test_audit_finds_nothing_where_nothing_is_amiss(stocked: Any, look: Look) -> None:
    before = sorted(path for path in stocked.out.rglob("*"))
    status, told = look()
    assert (status, found(told), told["checked"]) == (0, {}, 2)
    assert [(day["attempts"], day["paid"], day["paid_amount"]) for day in told["days"]] == [
        (2, 2, 0.11)
    ]
    assert [path for path in sorted(stocked.out.rglob("*")) if "ledger.db-" not in path.name] == [
        path for path in before if "ledger.db-" not in path.name
    ]


def test_audit_finds_missing_altered_and_left_over_files(stocked: Any, look: Look) -> None:
    (stocked.out / "one.png").unlink()
    (stocked.out / "in/two.png").write_bytes(b"someone else's")
    (stocked.out / ".qwenbatch/tmp/half.part").write_bytes(b"x")
    status, told = look()
    assert status == 3
    assert found(told) == {
        "missing": ["one.png"],
        "altered": ["in/two.png"],
        "leftover": [".qwenbatch/tmp/half.part"],
    }


def test_audit_knows_a_touched_or_copied_result_by_its_content(stocked: Any, look: Look) -> None:
    content = (stocked.out / "one.png").read_bytes()
    (stocked.out / "one.png").unlink()
    (stocked.out / "one.png").write_bytes(content)
    os.utime(stocked.out / "in/two.png", (1, 1))
    assert look()[0] == 0


def test_audit_takes_a_link_in_place_of_a_result_for_altered(stocked: Any, look: Look) -> None:
    (stocked.out / "one.png").rename(stocked.folder / "moved.png")
    (stocked.out / "one.png").symlink_to(stocked.folder / "moved.png")
    assert found(look()[1]) == {"altered": ["one.png"]}


def test_audit_tells_foreign_files_without_finding_fault(stocked: Any, look: Look) -> None:
    for name in ("holiday.png", "in/notes.txt", ".hidden"):
        (stocked.out / name).write_bytes(b"x")
    status, told = look()
    assert (status, told["foreign"]) == (0, {"count": 2, "files": ["holiday.png", "in/notes.txt"]})


def test_audit_looks_at_results_that_made_room_too(stocked: Any, look: Look) -> None:
    stocked.manifest("shop.jsonl", {"image": "a.jpg", "instruction": "blue", "output": "one.png"})
    stocked.run(stocked.folder / "shop.jsonl")
    assert look()[0] == 0
    (replaced,) = (stocked.out / ".qwenbatch/replaced").iterdir()
    replaced.unlink()
    assert found(look()[1]) == {"missing": [f".qwenbatch/replaced/{replaced.name}"]}


def test_audit_lists_what_the_invoice_must_decide(stocked: Any, look: Look) -> None:
    source = stocked.manifest(
        "more.jsonl",
        {"image": "a.jpg", "instruction": "fog", "output": "three.png"},
    )
    stocked.run(source, doubt="fog")
    status, told = look()
    assert (status, found(told)) == (3, {"uncertain": [None]})
    assert (told["findings"][0]["amount"], told["days"][0]["uncertain"]) == (0.055, 1)
    stocked.run(source, asked=Asked(resend_uncertain=True))
    command(["settle", str(stocked.out), "--as", "paid"])
    _, told = look()
    assert found(told) == {"paid_again": [None]}
    assert (told["findings"][0]["amount"], told["findings"][0]["detail"]) == (0.055, "paid 2 times")


def test_audit_lists_free_retries_with_their_request_ids(stocked: Any, look: Look) -> None:
    change(
        stocked.out,
        "INSERT INTO attempts (edit, id, run, sent_at, price, state, kind, request_id)"
        " SELECT edit, x'ab', run, sent_at - 86400000, price, 'unpaid', 'server_error', 'the-first'"
        " FROM attempts LIMIT 1",
    )
    status, told = look()
    assert (status, list(found(told))) == (3, ["retried"])
    assert told["findings"][0]["request_ids"][0] == "the-first"
    assert told["findings"][0]["amount"] == 0.055
    assert [day["attempts"] for day in told["days"]] == [1, 2]


def test_audit_finds_results_that_wait_for_longer_than_a_day(stocked: Any, look: Look) -> None:
    waiting = "UPDATE placements SET state = 'waiting' WHERE path = 'one.png'"
    change(stocked.out, waiting)
    assert look()[0] == 0
    change(stocked.out, "UPDATE attempts SET ended_at = ended_at - 86400000")
    assert found(look()[1]) == {"overdue": ["one.png"]}


def test_audit_recounts_the_running_totals(stocked: Any, look: Look) -> None:
    change(stocked.out, "UPDATE spending SET paid = paid + 1 WHERE scope = 'day'")
    change(stocked.out, "UPDATE tally SET edits = 3 WHERE state = 'edited'")
    change(stocked.out, "INSERT INTO spending (scope, id) VALUES ('run', 99)")
    status, told = look()
    assert (status, found(told)) == (3, {"miscounted": [None, None]})


def test_audit_finds_a_damaged_file(stocked: Any, look: Look) -> None:
    ledger = stocked.out / ".qwenbatch/ledger.db"
    change(stocked.out, "PRAGMA wal_checkpoint(TRUNCATE)")
    connection = apsw.Connection(str(ledger))
    page = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'edits'").get
    size = connection.pragma("page_size")
    connection.close()
    with ledger.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    status, told = look()
    assert (status, set(found(told))) == (3, {"damaged"})


def test_audit_leaves_a_running_run_in_peace(stocked: Any, look: Look) -> None:
    (stocked.out / ".qwenbatch/tmp/half.part").write_bytes(b"x")
    change(
        stocked.out,
        "INSERT INTO attempts (edit, id, run, sent_at, price, state)"
        " SELECT edit, x'ab', run, sent_at, price, 'reserved' FROM attempts LIMIT 1",
    )
    with locked(stocked.out / ".qwenbatch/ledger.db.lock"):
        status, told = look()
    assert (status, told["running"]) == (0, True)
    status, told = look()
    assert (status, set(found(told))) == (3, {"leftover", "uncertain"})


def test_audit_tells_people_what_to_do(stocked: Any, capsys: pytest.CaptureFixture[str]) -> None:
    result = stocked.out / "one.png"
    kept = result.read_bytes()
    result.unlink()
    capsys.readouterr()
    assert command(["audit", str(stocked.out)]) == 3
    told = capsys.readouterr().out
    assert "2 saved results looked at" in told
    assert "1 missing result: saved, but its file is gone" in told
    assert "run again: it is copied or fetched, free of charge" in told
    assert "    one.png, edit " in told
    assert "1 finding" in told
    result.write_bytes(kept)
    assert command(["audit", str(stocked.out)]) == 0
    assert "no findings: ledger and disk agree" in capsys.readouterr().out


def test_audit_without_a_ledger_is_a_mistake_of_usage(tmp_path: Path) -> None:
    assert command(["audit", str(tmp_path)]) == 2
