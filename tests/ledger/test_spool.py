"""The last resort: what it holds survives, what is not whole is left out, room is taken at once."""

from __future__ import annotations

import os
import stat
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwenbatch.core.states import EditEvent, EditState
from qwenbatch.errors import DiskError
from qwenbatch.ledger import intake, runs
from qwenbatch.ledger.spool import RECORD_BYTES, Spool, SpooledEnd, SpooledRelease, read
from tests.ledger.conftest import attempt_of, ended, key_of

if TYPE_CHECKING:
    from pathlib import Path

    from qwenbatch.ledger.spool import Spooled
    from tests.ledger.conftest import Book

E, P, U = EditState.EDITED, EditState.PENDING, EditState.UNCERTAIN


def answer(number: int, *, raw: bytes = b"{}", at: int = 7) -> SpooledEnd:
    return SpooledEnd(ended(number, number, EditEvent.ANSWERED, raw=raw), at)


def release(number: int) -> SpooledRelease:
    return SpooledRelease(key_of(number), attempt_of(number))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def begin(book: Book, *spooled: Spooled) -> None:
    with book.db:
        runs.begin(book.db, name="next", manifest="/m", spooled=spooled, now=book.now)


def test_spool_gives_back_what_was_added_in_order(path: Path) -> None:
    records: list[Spooled] = [answer(1), release(2), answer(3)]
    with closing(Spool(path, records=3)) as spool:
        for record in records:
            spool.add(record)
        assert list(read(path)) == records, "at once, whoever dies next"
    assert list(read(path)) == records


def test_spool_that_is_missing_or_fresh_holds_nothing(path: Path) -> None:
    assert list(read(path)) == []
    Spool(path, records=1).close()
    assert list(read(path)) == []


def test_spool_begins_empty_over_what_an_earlier_run_left(path: Path) -> None:
    with closing(Spool(path, records=2)) as spool:
        spool.add(answer(1))
        spool.add(answer(2))
    with closing(Spool(path, records=2)) as spool:
        assert list(read(path)) == []
        spool.add(answer(3))
    assert list(read(path)) == [answer(3)], "and what lies behind it is nobody's"


def test_spool_has_its_room_from_the_start_and_is_for_its_owner_alone(path: Path) -> None:
    before = os.umask(0)
    try:
        Spool(path, records=5).close()
    finally:
        os.umask(before)
    status = path.stat()
    assert status.st_blocks * 512 >= 5 * RECORD_BYTES, "allocated, not only promised"
    assert stat.S_IMODE(status.st_mode) == 0o600


def test_spool_makes_each_record_durable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[int] = []
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, lambda _: flushed.append(len(list(read(path)))))
    with closing(Spool(path, records=2)) as spool:
        assert flushed == [0]
        spool.add(answer(1))
        spool.add(answer(2))
    assert flushed == [0, 1, 2]


def test_spool_cuts_a_long_raw_answer_and_tells_when_it_is_full(path: Path) -> None:
    with closing(Spool(path, records=1)) as spool:
        spool.add(answer(1, raw=b"x" * 1_000_000))
        with pytest.raises(DiskError, match="full"):
            spool.add(answer(2, raw=b"x" * 1_000_000))
    (kept,) = read(path)
    assert isinstance(kept, SpooledEnd)
    assert kept.ended.url == answer(1).ended.url
    assert 0 < len(kept.ended.raw) < RECORD_BYTES
    assert path.stat().st_size == RECORD_BYTES


def test_spool_that_cannot_be_made_is_a_disk_error(path: Path) -> None:
    with pytest.raises(DiskError, match="no room for the spool"):
        Spool(path, records=1 << 44)


@given(cut=st.integers(0, 1_000), flip=st.none() | st.integers(0, 500))
def test_spool_gives_only_whole_records_whatever_a_death_left(
    tmp_path_factory: pytest.TempPathFactory, cut: int, flip: int | None
) -> None:
    path = tmp_path_factory.mktemp("spool") / "spool"
    records = [answer(1), answer(2)]
    with closing(Spool(path, records=2)) as spool:
        for record in records:
            spool.add(record)
    data = bytearray(path.read_bytes()[:cut])
    if flip is not None and flip < len(data):
        data[flip] ^= 0x55
    path.write_bytes(data)
    found = list(read(path))
    assert found == records[: len(found)]


# ---------------------------------------------------------------------- taken in at the next start


def test_spooled_answers_are_taken_in_before_a_death_is_called_uncertain(book: Book) -> None:
    for number in (1, 2, 3):
        book.permit(number, number)
    begin(book, answer(1), release(2))
    assert [book.state(number) for number in (1, 2, 3)] == [E, P, U]
    assert book.attempts(2) == {}
    assert book.attempts(1) == {1: "paid"}
    book.check()


def test_spooled_records_taken_in_twice_change_nothing(book: Book) -> None:
    for number in (1, 2, 3):
        book.permit(number, number)
    doubt = SpooledEnd(ended(3, 3, EditEvent.DOUBTED), 7)
    with book.db:
        for _ in range(2):
            for record in (answer(1), release(2), doubt):
                intake.take_in(book.db, record)
    assert [book.state(number) for number in (1, 2, 3)] == [E, P, U]
    book.check()


def test_spool_that_cannot_be_opened_is_a_disk_error(path: Path) -> None:
    path.mkdir()
    with pytest.raises(DiskError, match="cannot be opened"):
        list(read(path))
    with pytest.raises(DiskError, match="cannot be opened"):
        Spool(path, records=1)
