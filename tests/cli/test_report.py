"""`qwenbatch report` on ledgers that real runs made."""

from __future__ import annotations

import base64
import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from qwenbatch.cli.app import command
from qwenbatch.core.stops import ExitStatus
from qwenbatch.imaging import reader
from qwenbatch.report.copies import Copies
from qwenbatch.wiring import reporting
from qwenbatch.wiring.auditing import audit_ledger
from qwenbatch.wiring.outs import out_at

if TYPE_CHECKING:
    from tests.cli.conftest import Shop

    Capture = pytest.CaptureFixture[str]


@pytest.fixture
def source(shop: Shop) -> Path:
    """Rows of every sort, of which one is refused and one is bad."""
    shop.picture("sub/a #1.jpg")
    inline = base64.b64encode(shop.picture("b.png", "coffee.png").read_bytes()).decode()
    return shop.manifest(
        "m.jsonl",
        {"image": "sub/a #1.jpg", "instruction": "mirror", "sku": "007"},
        {"image": "sub/a #1.jpg", "instruction": "naughty"},
        {"image": "none.jpg", "instruction": "mirror"},
        {"image": f"data:image/png;base64,{inline}", "instruction": "mirror"},
    )


def report(shop: Shop, capsys: Capture) -> dict[str, Any]:
    capsys.readouterr()
    assert command(["report", str(shop.out), "--json"]) == ExitStatus.SAVED
    return dict(json.loads(capsys.readouterr().out))


def data(shop: Shop) -> dict[str, Any]:
    """What the page tells its scripts."""
    text = (shop.out / "report.html").read_text(encoding="utf-8")
    found = re.search(r'id="data">(.*?)</script', text, re.DOTALL)
    assert found is not None
    return dict(json.loads(found[1]))


def items(shop: Shop) -> list[dict[str, Any]]:
    return list(data(shop)["items"])


def copies(shop: Shop) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (shop.out / "report_files").iterdir()}


def test_report_shows_every_item_with_its_pictures(
    shop: Shop, source: Path, capsys: Capture
) -> None:
    shop.run(source, refuse="naughty")

    told = report(shop, capsys)

    assert told == {
        "schema": 1,
        "report": str(shop.out / "report.html"),
        "items": 4,
        "shown": 4,
        "pictures": {"made": 8, "missing": 1},
    }
    saved, failed, invalid, inline = items(shop)
    assert [item["state"] for item in items(shop)] == ["saved", "failed", "invalid", "saved"]
    assert saved["source"] == "sub/a #1.jpg"
    assert saved["link"].startswith("sub/a%20%231")
    assert (shop.out / saved["path"]).stat().st_size == saved["after"]["size"]
    assert (saved["before"]["width"], saved["before"]["height"]) == (640, 427)
    assert (saved["cost"], saved["columns"]) == (0.055, {"sku": "007"})
    assert saved["seconds"] >= 0
    assert failed["before"] == saved["before"]
    assert (failed["after"], failed["kind"]) == ({}, "moderated")
    assert "no such file" in invalid["before"]["note"]
    assert (inline["before"]["width"], inline["source"]) == (600, f"m.jsonl#{inline['source'][8:]}")
    named = {
        Path(item[side][copy]).name
        for item in items(shop)
        for side in ("before", "after")
        for copy in ("card", "view")
        if item[side].get(copy)
    }
    assert set(copies(shop)) == named
    head = data(shop)["head"]
    assert (head["counts"]["saved"], head["total"], head["failures"]) == (2, 4, {"moderated": 1})


def test_report_made_again_makes_only_new_pictures(
    shop: Shop, source: Path, capsys: Capture
) -> None:
    shop.run(source)
    report(shop, capsys)
    before = copies(shop)
    (torn,) = [name for name in before if name in items(shop)[0]["before"]["card"]]
    (shop.out / "report_files" / torn).write_bytes(before[torn][:-9])
    (shop.out / "report_files" / "notes.txt").write_text("mine", encoding="utf-8")
    shop.picture("c.jpg", "chelsea.png")
    shop.run(shop.manifest("more.jsonl", {"image": "c.jpg", "instruction": "mirror"}))

    told = report(shop, capsys)

    assert told["pictures"]["made"] == 5  # the torn one, and two of each new picture
    after = copies(shop)
    whole = after.pop(torn)
    assert int.from_bytes(whole[4:8], "little") + 8 == len(whole)
    assert {name: after[name] for name in before if name != torn} | {torn: before[torn]} == before
    shop.run(shop.manifest("more.jsonl", {"image": "none.jpg", "instruction": "mirror"}))
    report(shop, capsys)
    assert set(copies(shop)) == {*before, "notes.txt"}


def test_report_keeps_showing_a_source_that_is_gone_and_none_that_is_another(
    shop: Shop, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Files as young as these are not remembered else, for they may change under the same stamp.
    monkeypatch.setattr(reader, "SETTLED_NANOSECONDS", -(10**12))
    names = ("gone.jpg", "other.jpg", "unseen.jpg")
    gone, other, unseen = (shop.picture(name) for name in names)
    for number, path in enumerate((gone, other, unseen)):
        path.write_bytes(path.read_bytes() + bytes([number]))
    source = shop.manifest("m.jsonl", *({"image": name, "instruction": "mirror"} for name in names))
    shop.run(source)
    shutil.copy(shop.picture("x.png", "coffee.png"), unseen)
    report(shop, capsys)
    assert "another lies at its path" in items(shop)[2]["before"]["note"]
    was = [item["before"] for item in items(shop)[:2]]
    gone.unlink()
    shutil.copy(shop.folder / "x.png", other)

    report(shop, capsys)

    assert [item["before"] for item in items(shop)[:2]] == was
    assert all("card" in before for before in was)


def test_report_tells_results_that_are_altered_or_gone(
    shop: Shop, source: Path, capsys: Capture
) -> None:
    shop.run(source)
    report(shop, capsys)
    one, two = (shop.out / item["path"] for item in items(shop) if item["number"] in {1, 2})
    shutil.copy(shop.picture("x.png", "coffee.png"), one)
    two.unlink()

    told = report(shop, capsys)

    first, second = items(shop)[:2]
    assert first["after"]["note"] == "altered since it was put there"
    assert first["after"]["width"] == 600
    assert second["after"]["note"] == "there is no such file"
    assert "card" in second["after"]  # its copy is left
    assert told["pictures"]["missing"] == 1  # the bad row's
    one.write_bytes(b"no picture")
    report(shop, capsys)
    assert "card" not in items(shop)[0]["after"]


def test_report_shows_addresses_without_their_secrets(shop: Shop, capsys: Capture) -> None:
    url = "http://u:pw@127.0.0.1:9/a.jpg?X-Amz-Signature=secret"
    shop.run(shop.manifest("m.jsonl", {"image": url, "instruction": "mirror"}))
    report(shop, capsys)
    text = (shop.out / "report.html").read_text(encoding="utf-8")
    assert "secret" not in text
    assert "u:pw" not in text
    assert items(shop)[0]["source"] == "http://127.0.0.1:9/a.jpg?…"


def test_report_is_foreign_neither_to_audit_nor_to_a_folder_walk(
    shop: Shop, source: Path, capsys: Capture
) -> None:
    shop.run(source)
    report(shop, capsys)
    (shop.out / "report_files" / "holiday.jpg").write_bytes(b"x")

    audit = audit_ledger(out_at(shop.out, None))

    assert audit.foreign_listed == ["report_files/holiday.jpg"]
    summary, _ = shop.run(shop.folder, instruction="mirror")
    assert summary.items.total == 2


def test_report_of_too_many_items_shows_those_first_that_did_not_come_out(
    shop: Shop, source: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.run(source, refuse="naughty")
    monkeypatch.setattr(reporting, "MOST_ITEMS", 3)
    assert command(["report", str(shop.out)]) == ExitStatus.SAVED
    assert (
        "a page holds 3, those first that are not saved: 1 item left out" in capsys.readouterr().out
    )
    assert [item["state"] for item in items(shop)] == ["failed", "invalid", "saved"]
    assert (data(shop)["head"]["shown"], data(shop)["head"]["total"]) == (3, 4)


def test_report_says_what_it_did(shop: Shop, source: Path, capsys: Capture) -> None:
    shop.run(source)
    capsys.readouterr()
    assert command(["report", str(shop.out)]) == ExitStatus.SAVED
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "4 items, 10 pictures newly copied",
        "1 item lacks a picture: the report says why",
        f"report: {shop.out}/report.html",
    ]


def test_report_refuses_where_it_cannot_be_made(shop: Shop, source: Path, capsys: Capture) -> None:
    nowhere = ["report", str(shop.folder / "nowhere")]
    assert command(nowhere) == ExitStatus.USAGE
    shop.run(source)
    with Copies(shop.out).held():
        assert command(["report", str(shop.out)]) == ExitStatus.USAGE
    assert "another report is being made" in capsys.readouterr().err
    shutil.rmtree(shop.out / "report_files")
    (shop.out / "report_files").write_bytes(b"")
    assert command(["report", str(shop.out)]) == ExitStatus.DISK
    (shop.out / "report_files").unlink()
    (shop.out / "report.html").mkdir()
    assert command(["report", str(shop.out)]) == ExitStatus.USAGE
    assert "report.html is a folder" in capsys.readouterr().err
