from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import apsw
import pytest

from qwenbatch.errors import DiskError, LedgerError
from qwenbatch.ledger import database
from qwenbatch.ledger.database import SCHEMA_VERSION, create_or_open, open_reader, open_writer
from qwenbatch.results.folders import OutFolders

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_database_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        folders = OutFolders(tmp_path / "out")
        folders.make()
        file = folders.own / "ledger.db"
        db = create_or_open(file, service="sandbox")
        db.execute("INSERT INTO paces VALUES ('g', 1)")
        made = {path.name: mode(path) for path in folders.own.iterdir() if path.is_file()}
        db.close()
    finally:
        os.umask(before)
    assert mode(folders.own) == 0o700
    assert made == dict.fromkeys(("ledger.db", "ledger.db-wal", "ledger.db-shm"), 0o600)


def test_database_writes_through_to_the_disk(file: Path) -> None:
    create_or_open(file, service="sandbox").close()
    for db in (create_or_open(file, service="sandbox"), open_writer(file)):
        assert db.pragma("journal_mode") == "wal"
        assert db.pragma("synchronous") == 2
        assert db.pragma("foreign_keys") == 1
        db.close()


def test_database_keeps_its_id_and_service(file: Path) -> None:
    first = create_or_open(file, service="sandbox")
    told = database.meta(first, "id"), database.meta(first, "service")
    first.close()
    again = create_or_open(file, service="sandbox")
    assert (database.meta(again, "id"), database.meta(again, "service")) == told
    assert told[1] == "sandbox"
    assert again.pragma("user_version") == SCHEMA_VERSION
    again.close()


def test_database_of_another_service_is_refused(file: Path) -> None:
    create_or_open(file, service="pixazo").close()
    with pytest.raises(LedgerError, match="service pixazo"):
        create_or_open(file, service="sandbox")
    reader = open_reader(file)
    with pytest.raises(LedgerError, match="service pixazo"):
        database.refuse_unless_service(reader, file, "sandbox")
    reader.close()


def newer(path: Path) -> None:
    db = create_or_open(path, service="sandbox")
    db.pragma("user_version", SCHEMA_VERSION + 1)
    db.close()


def other_program(path: Path) -> None:
    db = apsw.Connection(str(path))
    db.execute("CREATE TABLE t (x); INSERT INTO t VALUES (1)")
    db.close()


def no_database(path: Path) -> None:
    path.write_bytes(b"a shopping list, not a database " * 64)


def damaged(path: Path) -> None:
    create_or_open(path, service="sandbox").close()
    content = bytearray(path.read_bytes())
    content[100:1200] = b"\xff" * 1100
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (newer, "version 2"),
        (other_program, "another program"),
        (no_database, "damaged or no ledger"),
        (damaged, "damaged or no ledger"),
    ],
)
@pytest.mark.parametrize(
    "look",
    [lambda path: create_or_open(path, service="sandbox"), open_reader, open_writer],
)
def test_database_that_is_no_ledger_of_ours_is_refused_untouched(
    file: Path,
    spoil: Callable[[Path], None],
    words: str,
    look: Callable[[Path], apsw.Connection],
) -> None:
    spoil(file)
    before = file.read_bytes()
    with pytest.raises(LedgerError, match=words):
        look(file)
    assert file.read_bytes() == before


def test_database_that_is_missing_is_not_made_by_looking(file: Path) -> None:
    with pytest.raises(LedgerError, match="no ledger at"):
        open_reader(file)
    assert not file.exists()


def test_database_that_is_missing_is_looked_for_one_folder_further_in(tmp_path: Path) -> None:
    inner = tmp_path / "shop" / ".qwenbatch" / "ledger.db"
    inner.parent.mkdir(parents=True)
    create_or_open(inner, service="sandbox").close()
    with pytest.raises(LedgerError) as told:
        open_reader(tmp_path / ".qwenbatch" / "ledger.db")
    assert told.value.advice == f"did you mean {tmp_path / 'shop'}?"

    with pytest.raises(LedgerError) as told:
        open_reader(tmp_path / "none" / ".qwenbatch" / "ledger.db")
    assert "-o of run" in str(told.value.advice)


def test_database_that_was_only_begun_is_finished(file: Path) -> None:
    file.touch()
    db = create_or_open(file, service="sandbox")
    assert database.meta(db, "service") == "sandbox"
    db.close()


def test_database_where_no_file_can_be_is_a_disk_error(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="cannot be opened"):
        create_or_open(tmp_path / "gone" / "ledger.db", service="sandbox")
    with pytest.raises(DiskError):
        create_or_open(tmp_path, service="sandbox")


def test_database_reader_changes_nothing(file: Path) -> None:
    create_or_open(file, service="sandbox").close()
    reader = open_reader(file)
    with pytest.raises(apsw.ReadOnlyError):
        reader.execute("DELETE FROM meta")
    reader.close()


def test_database_in_memory_is_a_whole_ledger() -> None:
    db = database.blank()
    assert db.execute("SELECT count(*) FROM edits").get == 0
    db.close()


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE placements",
        "ALTER TABLE attempts RENAME width TO wide",
        "DROP VIEW items_whole",
    ],
)
def test_database_without_a_column_of_ours_is_damaged(file: Path, statement: str) -> None:
    create_or_open(file, service="sandbox").close()
    db = apsw.Connection(str(file))
    db.execute(statement)
    db.close()
    for opened in (open_reader, open_writer, lambda path: create_or_open(path, service="sandbox")):
        with pytest.raises(LedgerError, match=r"damaged.*no column"):
            opened(file)


@pytest.mark.parametrize("view", ["attempts_whole", "items_whole"])
def test_database_with_a_view_that_makes_no_sense_is_damaged(file: Path, view: str) -> None:
    create_or_open(file, service="sandbox").close()
    db = apsw.Connection(str(file))
    db.pragma("writable_schema", value=True)
    db.execute(
        "UPDATE sqlite_schema SET sql = replace(sql, 'FROM frames', 'FROM framed') WHERE name = ?",
        (view,),
    )
    db.close()
    for opened in (open_reader, open_writer, lambda path: create_or_open(path, service="sandbox")):
        with pytest.raises(LedgerError, match=r"damaged.*framed"):
            opened(file)


def test_database_of_a_schema_format_that_nobody_knows_is_damaged(file: Path) -> None:
    create_or_open(file, service="sandbox").close()
    data = bytearray(file.read_bytes())
    data[44:48] = b"\x00\x00\x00\x63"
    file.write_bytes(data)
    with pytest.raises(LedgerError, match="damaged"):
        create_or_open(file, service="sandbox")
    assert file.read_bytes() == data


def test_database_that_does_not_hold_together_is_blamed_for_what_it_leads_to(file: Path) -> None:
    create_or_open(file, service="sandbox").close()
    with pytest.raises(TypeError), database.trusted(file, reads_alone=True):
        raise TypeError
    with pytest.raises(ValueError, match="ours"), database.trusted(file, reads_alone=False):
        raise ValueError("ours")
    nonsense = pytest.raises(LedgerError, match="means nothing")
    with nonsense, database.trusted(file, reads_alone=True):
        raise ValueError("'x' is not a valid state")
    file.write_bytes(file.read_bytes()[:8192])
    with pytest.raises(LedgerError, match="damaged"), database.trusted(file, reads_alone=False):
        raise TypeError
