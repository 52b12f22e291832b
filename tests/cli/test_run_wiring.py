"""What only the joints of a run keep: what it learned, what room it leaves, whose ledger it is."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import apsw

from qwenbatch.cli.app import command
from qwenbatch.core.stops import StopReason
from qwenbatch.results import room
from qwenbatch.wiring import opening

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

LEDGER = ".qwenbatch/ledger.db"


def rows(shop: Any, count: int) -> Path:
    shop.picture("a.jpg")
    instructions = [f"mirror {number}" for number in range(count)]
    wanted = [{"image": "a.jpg", "instruction": words} for words in instructions]
    manifest: Path = shop.manifest("m.jsonl", *wanted)
    return manifest


def test_run_keeps_room_for_results_as_large_as_the_largest_that_came(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "USUAL_BYTES", 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000))
    source = rows(shop, 8)
    arguments = [str(source), "--sandbox", "-o", str(shop.out), "--quiet", "-c", "1"]
    assert command(["run", *arguments, "--rate", "5"]) == 9
    assert 1 <= len(list(shop.out.glob("*.png"))) < 8


def test_run_begins_at_the_rate_that_was_learned_of_its_gateway(shop: Any) -> None:
    source = rows(shop, 1)
    arguments = [str(source), "--sandbox", "-o", str(shop.out), "--quiet"]
    assert command(["run", *arguments]) == 0
    with closing(apsw.Connection(str(shop.out / LEDGER))) as db:
        db.execute("INSERT INTO paces VALUES ('sandbox', 0.5), ('another', 100)")
    rows(shop, 3)
    assert command(["run", *arguments, "--rate", "200"]) == 0
    with closing(apsw.Connection(str(shop.out / LEDGER))) as db:
        apart = db.execute(
            "SELECT max(sent_at) - min(sent_at) FROM attempts WHERE run = 2",
        ).get
        kept = db.execute("SELECT rate FROM paces WHERE gateway = 'sandbox'").get
    assert apart > 1_500, "milliseconds: two starts at one in two seconds"
    assert 0.5 < kept < 1, "it was borne, and rose a little"
    assert command(["run", *arguments, "--rate", "0.1"]) == 0
    with closing(apsw.Connection(str(shop.out / LEDGER))) as db:
        left = db.execute("SELECT group_concat(gateway) FROM paces").get
    assert left == "another", "nothing is learned of a gateway that took all that it was sent"


def test_run_writes_down_how_it_ended_and_keeps_no_raw_answer_that_nobody_needs(shop: Any) -> None:
    source = rows(shop, 2)
    summary, _ = shop.run(source, refuse="mirror 0", doubt="mirror 1")
    assert summary.stopped_by is not StopReason.DISK
    with closing(apsw.Connection(str(shop.out / LEDGER))) as db:
        raw = db.execute("SELECT state, raw IS NOT NULL FROM attempts ORDER BY state").fetchall()
        timed, status, told = db.execute("SELECT ended_at > 0, exit_status, summary FROM runs").get
    assert raw == [("uncertain", 1), ("unpaid", 0)]
    assert (timed, status, json.loads(told)["exit_status"]) == (1, 4, 4)


def test_settle_refuses_a_ledger_that_lies_on_a_network_file_system(
    shop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.run(rows(shop, 1), doubt="mirror")
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"40 27 0:40 / {shop.out} rw - nfs4 server:/export rw\n", encoding="utf-8")
    monkeypatch.setattr(opening, "MOUNTS", mounts)
    assert command(["settle", str(shop.out), "--as", "paid"]) == 2
    assert "nfs4" in capsys.readouterr().err


def test_settle_refuses_another_ledger_than_the_one_that_out_was_begun_with(
    shop: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.run(rows(shop, 1), doubt="mirror", ledger=tmp_path / "local.db")
    note = shop.out / ".qwenbatch" / "ledger.json"
    note.write_text(json.dumps({**json.loads(note.read_text()), "id": "another"}))
    assert command(["settle", str(shop.out), "--as", "paid"]) == 2
    assert "is not the ledger that this folder was begun with" in capsys.readouterr().err
    with closing(apsw.Connection(str(tmp_path / "local.db"))) as db:
        assert db.execute("SELECT state FROM attempts").fetchall() == [("uncertain",)]


def test_run_clears_away_what_a_death_left_half_written(shop: Any) -> None:
    scratch = shop.out / ".qwenbatch" / "tmp"
    scratch.mkdir(parents=True)
    (scratch / "1.part").write_bytes(b"half")
    shop.run(rows(shop, 1))
    assert list(scratch.iterdir()) == []
