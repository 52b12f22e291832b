"""What became of the items, as files: outcomes, and manifests that a run takes."""

from __future__ import annotations

import base64
import csv
import io
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from qwenbatch.core.plan import Asked
from qwenbatch.errors import DiskError, LedgerError, ManifestError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Shop

    Call = Callable[..., str]

RETRY = Asked(retry_failed=True)


@pytest.fixture
def source(shop: Shop) -> Path:
    """Four good rows and a bad one, of which two are about to fail."""
    shop.picture("sub/a.jpg")
    shop.picture("b.jpg")
    return shop.manifest(
        "m.jsonl",
        {"image": "sub/a.jpg", "instruction": "mirror", "sku": "007", "n": {"x": [1, None]}},
        {"image": "b.jpg", "instruction": "=naughty, no", "id": "b", "colour": "ü"},
        {"image": "sub/a.jpg", "instruction": "naughty", "take": 2, "negative_prompt": "fog"},
        {"image": "b.jpg", "instruction": "dubious", "watermark": True, "output": "x/y.png"},
        {"image": "none.jpg", "instruction": "mirror", "sku": "1"},
    )


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def objects_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_export_tells_every_items_outcome(shop: Shop, call: Call, source: Path) -> None:
    shop.run(source, refuse="naughty", doubt="dubious")

    rows = rows_of(call("export", shop.out))

    assert [row["state"] for row in rows] == ["saved", "failed", "failed", "uncertain", "invalid"]
    assert [row["kind"] for row in rows] == ["", "moderated", "moderated", "gave_up", ""]
    assert rows[0]["image"] == str(shop.folder / "sub" / "a.jpg")
    assert (rows[0]["cost"], rows[0]["attempts"], rows[0]["sku"]) == ("0.055", "1", "007")
    assert rows[0]["n"] == '{"x":[1,null]}'
    assert all(row["reason"] for row in rows[1:])
    assert "no such file" in rows[4]["reason"]
    result = shop.out / "sub"
    assert rows[0]["result"] in {str(path) for path in result.iterdir()}


def test_export_as_jsonl_keeps_types(shop: Shop, call: Call, source: Path) -> None:
    shop.run(source, refuse="naughty")

    told = objects_of(call("export", shop.out, "--format", "jsonl"))

    assert [row["number"] for row in told] == [1, 2, 3, 4, 5]
    assert (told[0]["cost"], told[0]["n"]) == (0.055, {"x": [1, None]})
    assert (told[3]["watermark"], told[3]["output"]) == (True, "x/y.png")


def test_export_of_one_state_is_a_manifest(shop: Shop, call: Call, source: Path) -> None:
    shop.run(source, refuse="naughty")

    told = objects_of(call("export", shop.out, "--state", "failed", "--format", "jsonl"))

    assert [(row["image"], row["instruction"]) for row in told] == [
        (str(shop.folder / "b.jpg"), "=naughty, no"),
        (str(shop.folder / "sub" / "a.jpg"), "naughty"),
    ]
    assert (told[0]["id"], told[0]["colour"]) == ("b", "ü")
    assert (told[1]["take"], told[1]["negative_prompt"]) == (2, "fog")
    assert not {"state", "number", "cost"} & set(told[0])


@pytest.mark.parametrize("name", ["again.csv", "again.jsonl"])
def test_exported_manifest_run_again_saves_at_the_same_places(
    shop: Shop,
    call: Call,
    source: Path,
    name: str,
) -> None:
    shop.run(source, refuse="naughty")
    before = {row["key"] for row in rows_of(call("export", shop.out)) if row["state"] == "failed"}
    again = shop.folder / "elsewhere" / name
    again.parent.mkdir()
    call("export", shop.out, "--state", "failed", "-O", again)

    summary, posts = shop.run(again, asked=RETRY)

    assert (summary.items.total, summary.items.saved, posts) == (2, 2, 2)
    after = rows_of(call("export", shop.out))
    assert {row["key"] for row in after if row["line"]} >= before
    first = [row for row in after if row["key"] in before]
    assert len(after) == 5
    assert len(first) == 2  # two manifests name them, and they are told once
    assert {row["state"] for row in first} == {"saved"}
    assert len({row["result"] for row in first}) == 2
    assert any(row["result"].startswith(str(shop.out / "sub")) for row in first)
    whole, posts = shop.run(source)
    assert (whole.items.saved, whole.items.reused, posts) == (4, 4, 0)


@pytest.mark.parametrize("name", ["again.csv", "again.jsonl"])
def test_exported_manifest_carries_every_column_through_another_run(
    shop: Shop, call: Call, name: str
) -> None:
    shop.picture("a.jpg")
    travels = {"=sum": "+1", "'=x": "''-2", "state": "@new", "sku": "007", "note": "a\r\nb"}
    row = {"image": "a.jpg", "instruction": "'=naughty", "negative_prompt": "-fog", "take": 3}
    source = shop.manifest("m.jsonl", {**row, **travels})
    shop.run(source, refuse="naughty")
    (before,) = objects_of(call("export", shop.out, "--format", "jsonl"))
    again = shop.folder / name
    call("export", shop.out, "--state", "failed", "-O", again)

    _, posts = shop.run(again, asked=RETRY)

    (after,) = objects_of(call("export", shop.out, "--format", "jsonl"))
    assert (posts, before["state"], after["state"]) == (1, "failed", "saved")
    for column in ("key", "instruction", "negative_prompt", "take", *travels.keys() - {"state"}):
        assert after[column] == before[column], column
    assert after["manifest_state"] == before["manifest_state"] == "@new"


def test_items_of_an_exported_manifest_are_counted_once(shop: Shop, call: Call) -> None:
    shop.picture("a.jpg")
    rows = (
        {"image": "a.jpg", "instruction": "mirror", "output": "x/a.png"},
        {"image": "a.jpg", "instruction": "mirror", "output": "x/a.png"},
        {"image": "gone.jpg", "instruction": "mirror"},
        {"image": "gone.jpg", "instruction": "mirror", "output": "g.png"},
        {"image": "b.jpg", "instruction": "naughty"},
    )
    source = shop.manifest("m.jsonl", *rows)
    shop.picture("b.jpg", of="chelsea.png")
    shop.run(source, refuse="naughty")

    def counted() -> dict[str, int]:
        items = json.loads(call("status", shop.out, "--json"))["items"]
        return {state: count for state, count in items.items() if count}

    assert counted() == {"total": 5, "saved": 2, "failed": 1, "invalid": 2}
    for state, after in (
        (None, {"total": 5, "saved": 3, "invalid": 2}),
        ("invalid", {"total": 5, "saved": 5}),
    ):
        again = shop.folder / f"{state}.jsonl"
        call("export", shop.out, *(() if state is None else ("--state", state)), "-O", again)
        if state == "invalid":
            shop.picture("gone.jpg")
        shop.run(again, asked=RETRY)
        assert counted() == after
    # A row that turns bad is that item still.
    (shop.folder / "gone.jpg").unlink()
    shop.run(source, asked=RETRY)
    assert counted() == {"total": 5, "saved": 3, "invalid": 2}


def test_exported_manifest_of_saved_items_costs_nothing(
    shop: Shop, call: Call, source: Path
) -> None:
    shop.run(source)
    again = shop.folder / "saved.csv"
    call("export", shop.out, "--state", "saved", "--to", again)

    summary, posts = shop.run(again)

    assert (summary.items.total, summary.items.reused, posts) == (4, 4, 0)


def test_export_of_a_folders_items_needs_no_instruction(shop: Shop, call: Call) -> None:
    shop.picture("in/a.jpg")
    shop.run(shop.folder / "in", instruction="mirror", refuse="mirror")

    (row,) = rows_of(call("export", shop.out, "--state", "failed"))

    assert (row["instruction"], row["output"]) == ("mirror", "a.png")


@pytest.fixture
def inline(shop: Shop) -> Path:
    picture = base64.b64encode(shop.picture("a.jpg").read_bytes()).decode()
    uri = f"data:image/jpeg;base64,{picture}"
    path = shop.manifest("inline.jsonl", {"image": uri, "instruction": "naughty"})
    other = json.dumps({"image": uri, "instruction": "naughty too"}).replace("/", "\\/")
    path.write_text(path.read_text() + other + "\n")
    return path


def test_export_of_inline_pictures_puts_them_back(shop: Shop, call: Call, inline: Path) -> None:
    shop.run(inline, refuse="naughty")
    again = shop.folder / "again.jsonl"
    call("export", shop.out, "--state", "failed", "-O", again)

    told = objects_of(again.read_text())
    summary, posts = shop.run(again, asked=RETRY)

    assert [row["image"] for row in told] == [objects_of(inline.read_text())[0]["image"]] * 2
    assert (summary.items.saved, posts) == (2, 2)
    assert shop.run(inline)[0].items.reused == 2


def test_export_of_inline_pictures_as_csv_is_refused_before_a_line(
    shop: Shop,
    inline: Path,
    call: Call,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shop.run(inline, refuse="naughty")

    with pytest.raises(UsageError, match="data URI") as refused:
        call("export", shop.out, "--state", "failed")

    assert "jsonl" in refused.value.advice
    assert capsys.readouterr().out == ""
    assert len(rows_of(call("export", shop.out))) == 2
    assert rows_of(call("export", shop.out, "--state", "saved")) == []


@pytest.mark.parametrize("change", ["gone", "other"])
def test_export_of_inline_pictures_proves_that_they_are_the_same(
    shop: Shop,
    inline: Path,
    call: Call,
    change: str,
) -> None:
    shop.run(inline, refuse="naughty")
    if change == "gone":
        inline.unlink()
    else:
        inline.write_text(inline.read_text().replace("AAA", "AAB", 1))
    again = shop.folder / "again.jsonl"

    with pytest.raises(ManifestError, match="no longer"):
        call("export", shop.out, "--state", "failed", "-O", again)

    assert not again.exists()
    assert not list(shop.folder.glob(".*.tmp"))


def test_export_to_a_file_replaces_it_whole(shop: Shop, call: Call, source: Path) -> None:
    shop.run(source)
    file = shop.folder / "x.csv"
    file.write_text("old\n" * 100_000)
    link = shop.folder / "link.csv"
    link.symlink_to(file)

    assert call("export", shop.out, "-O", link) == ""

    assert link.is_symlink()
    assert file.read_bytes().count(b"\r\n") == 6
    assert file.read_bytes() == call("export", shop.out).encode()
    assert not list(shop.folder.glob(".*.tmp"))


def test_export_to_an_odd_place_is_refused(shop: Shop, call: Call, source: Path) -> None:
    shop.run(source)
    ledger = shop.out / ".qwenbatch" / "ledger.db"
    before = ledger.read_bytes()

    for place, words in (
        (ledger, "--to|ledger"),
        (shop.out / ".qwenbatch" / "x.csv", "ledger"),
        (shop.folder, "folder"),
        (shop.folder / "none" / "x.csv", "no folder"),
    ):
        with pytest.raises(UsageError, match=words):
            call("export", shop.out, "--format", "csv", "-O", place)

    assert ledger.read_bytes() == before


def test_export_to_a_full_disk_is_a_disk_error(shop: Shop, call: Call, source: Path) -> None:
    shop.run(source)

    with pytest.raises(DiskError, match="cannot be written"):
        call("export", shop.out, "--format", "csv", "-O", "/dev/full")


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["--state", "faild"], "failed"),
        (["--state", "zzz"], "uncertain"),
        (["--format", "cvs"], "csv"),
        (["-O", "x.txt"], "--format"),
    ],
)
def test_export_suggests_what_was_meant(
    shop: Shop, call: Call, words: list[str], near: str
) -> None:
    with pytest.raises(UsageError) as refused:
        call("export", shop.out, *words)

    assert near in str(refused.value)


def test_export_without_a_ledger_says_so(shop: Shop, call: Call) -> None:
    with pytest.raises(LedgerError, match="no ledger"):
        call("export", shop.out)

    assert not shop.out.exists()


def test_export_takes_a_relative_out_and_a_ledger_elsewhere(
    shop: Shop,
    call: Call,
    source: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop.run(source, ledger=shop.folder / "far" / "l.db")
    monkeypatch.chdir(shop.folder)

    by_note = rows_of(call("export", "out"))
    by_path = rows_of(call("export", "out", "--ledger", "far/l.db"))

    assert by_note == by_path
    assert by_note[0]["result"].startswith(str(shop.out))


def test_export_ends_silently_when_nobody_reads(shop: Shop, source: Path) -> None:
    shop.run(source)
    program = (
        "import sys\n"
        "from qwenbatch.cli.export import export\n"
        "sys.stdin.read()\n"
        "export(sys.argv[1], form='jsonl')\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(shop.out)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout
        process.stdout.close()
        process.stdout = None
        _, errors = process.communicate(timeout=60)

    assert (process.returncode, errors) == (0, b"")
