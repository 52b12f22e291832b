from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import apsw
import pytest

from qwenbatch.ledger import database
from qwenbatch.ledger.database import all_rows
from qwenbatch.ledger.salvage import Wreck, open_wreck
from tests.ledger.conftest import key_of

if TYPE_CHECKING:
    from pathlib import Path

EDITS = 1500


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.db"
    with closing(database.create_or_open(path, service="sandbox")) as db, db:
        db.executemany(
            "INSERT INTO edits (id, key, state) VALUES (?, ?, 'edited')",
            [(number, key_of(number)) for number in range(1, EDITS + 1)],
        )
    return path


def leaves(path: Path, name: str) -> list[tuple[int, int]]:
    """The leaves of a table or an index: page, and how many rows are in it."""
    with closing(apsw.Connection(str(path))) as db:
        return all_rows(
            db.execute(
                "SELECT pageno, ncell FROM dbstat WHERE name = ? AND pagetype = 'leaf'", (name,)
            )
        )


def spoil(path: Path, page: int) -> None:
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)


def keys(path: Path) -> list[tuple[int, bytes]]:
    connection = open_wreck(path)
    assert connection is not None
    with closing(connection):
        return list(Wreck(connection).keys())


def test_keys_are_read_from_their_index_where_the_edits_are_gone(ledger: Path) -> None:
    for page, _ in leaves(ledger, "edits"):
        spoil(ledger, page)
    assert dict(keys(ledger)) == {number: key_of(number) for number in range(1, EDITS + 1)}


@pytest.mark.parametrize("place", [0, 7, -1])
def test_keys_are_read_around_a_page_that_is_broken(ledger: Path, place: int) -> None:
    page, rows = leaves(ledger, "edits_key")[place]
    spoil(ledger, page)
    found = dict(keys(ledger))
    assert all(key_of(number) == key for number, key in found.items())
    assert EDITS - rows - 2 <= len(found) < EDITS
