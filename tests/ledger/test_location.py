from __future__ import annotations

import json
import os
import stat
from contextlib import closing
from pathlib import Path

import pytest

from qwenbatch.errors import LedgerError
from qwenbatch.ledger import database
from qwenbatch.ledger.location import Location, locate


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "out" / ".qwenbatch"
    folder.mkdir(parents=True)
    return folder


def begin(own: Path, asked: Path | None) -> Location:
    location = locate(own, asked)
    location.file.parent.mkdir(parents=True, exist_ok=True)
    with closing(database.create_or_open(location.file, service="sandbox")) as connection:
        location.remember(connection)
    return location


def test_location_of_a_ledger_is_its_out_unless_told(own: Path) -> None:
    location = begin(own, None)
    assert location == Location(own / "ledger.db", None, str(own.parent))
    assert location.lock == own / "ledger.db.lock"
    assert locate(own, own / "ledger.db") == location
    assert not (own / "ledger.json").exists()


def test_location_elsewhere_is_remembered_by_out(own: Path, tmp_path: Path) -> None:
    begin(own, tmp_path / "local" / "mine.db")
    note = own / "ledger.json"
    assert locate(own, None).file == tmp_path / "local" / "mine.db"
    assert locate(own, tmp_path / "local" / ".." / "local" / "mine.db").file.exists()
    assert set(json.loads(note.read_text())) == {"id", "path"}
    assert stat.S_IMODE(note.stat().st_mode) == 0o600
    assert not (own / "ledger.db").exists()


def test_location_note_is_on_the_disk_before_it_has_its_name(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[bytes] = []
    fresh, note = own / "ledger.new", own / "ledger.json"

    def fsync(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink() == fresh:
            assert not note.exists()
            flushed.append(fresh.read_bytes())

    monkeypatch.setattr(os, "fsync", fsync)
    begin(own, tmp_path / "mine.db")
    assert flushed == [note.read_bytes()]


def test_location_another_than_the_remembered_one_is_refused(own: Path, tmp_path: Path) -> None:
    begin(own, tmp_path / "mine.db")
    with pytest.raises(LedgerError, match=r"mine\.db, not .*other\.db"):
        locate(own, tmp_path / "other.db")


def test_location_of_a_missing_ledger_is_refused(own: Path, tmp_path: Path) -> None:
    begin(own, tmp_path / "mine.db").file.unlink()
    with pytest.raises(LedgerError, match="missing"):
        locate(own, None)


def test_location_elsewhere_is_refused_where_out_has_a_ledger(own: Path, tmp_path: Path) -> None:
    begin(own, None)
    with pytest.raises(LedgerError, match="has a ledger already"):
        locate(own, tmp_path / "mine.db")


def test_location_with_another_ledgers_file_is_refused(own: Path, tmp_path: Path) -> None:
    location = begin(own, tmp_path / "mine.db")
    location.file.unlink()
    with closing(database.create_or_open(location.file, service="sandbox")) as connection:
        with pytest.raises(LedgerError, match="not the ledger that this folder was begun with"):
            locate(own, None).verify(connection)
        with pytest.raises(LedgerError, match="begun with"):
            locate(own, None).remember(connection)


def test_location_of_a_ledger_that_belongs_to_another_out_is_refused(
    own: Path, tmp_path: Path
) -> None:
    first = begin(own, tmp_path / "mine.db")
    other = tmp_path / "other" / ".qwenbatch"
    other.mkdir(parents=True)
    with pytest.raises(LedgerError, match="belongs to") as raised:
        begin(other, tmp_path / "mine.db")
    assert first.out in raised.value.what
    assert not (other / "ledger.json").exists()
    # An OUT that was emptied takes up its own again.
    (own / "ledger.json").unlink()
    assert begin(own, tmp_path / "mine.db") == first


@pytest.mark.parametrize("text", ["", "[]", "{", '{"id": "x"}', "null"])
def test_location_note_that_cannot_be_read_is_refused(own: Path, text: str) -> None:
    (own / "ledger.json").write_text(text)
    with pytest.raises(LedgerError, match="cannot be read"):
        locate(own, None)


@pytest.mark.parametrize("text", ["", "[]", "[" * 10_000, '{"id": 1}', "\x00"])
def test_location_of_a_note_that_cannot_be_read_is_refused(own: Path, text: str) -> None:
    (own / "ledger.json").write_text(text)
    with pytest.raises(LedgerError, match="cannot be read"):
        locate(own, None)
