from __future__ import annotations

import os
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from anyio.to_thread import run_sync

from qwenbatch.core.holdings import Holding, Known
from qwenbatch.core.keys import EditKey
from qwenbatch.core.occupancy import Occupant
from qwenbatch.core.plan import Standing
from qwenbatch.results.occupancy import Occupancy, stamp_of

if TYPE_CHECKING:
    from tests.results.conftest import Room

MINE, OTHER = EditKey(b"m" * 32), EditKey(b"o" * 32)


@dataclass
class Records:
    """What a ledger and a plan would say."""

    files: dict[str, list[Known]] = field(default_factory=dict)
    sources: set[tuple[int, int]] = field(default_factory=set)

    def known_files(self, path: str) -> list[Known]:
        return self.files.get(path, [])

    def is_source(self, absolute: str, device: int, inode: int) -> bool:
        assert absolute.startswith("/")
        return (device, inode) in self.sources


class Place:
    """One path in a room, and who looks at it."""

    def __init__(self, room: Room, path: str = "sub/a.png") -> None:
        self.path, self.room, self.records = path, room, Records()
        self.file = room.folders.file(path)
        self.file.parent.mkdir(parents=True, exist_ok=True)

    def known(self, key: EditKey, content: bytes, *, stamped: bool = False) -> Known:
        stamp = stamp_of(self.file.stat()) if stamped else None
        digest = sha256(content).digest()
        return Known(key=key, digest=digest, suffix="", stamp=stamp)

    def look(self, owner: Known | None = None, suffix: str = "") -> tuple[Occupant, bool]:
        """Who is there, and whether it is known by its digest only."""
        holding = Holding(
            number=1,
            key=MINE,
            path=self.path,
            standing=Standing(),
            suffix=suffix,
            owner=owner,
        )
        occupancy = Occupancy(self.room.folders, self.records, offload=run_sync)
        ((occupant, stamp),) = occupancy.occupants((holding,))
        assert stamp in {None, stamp_of(self.file.stat()) if self.file.exists() else None}
        return occupant, stamp is not None


@pytest.fixture
def place(disk_room: Room) -> Place:
    return Place(disk_room)


def test_occupant_of_an_empty_path_is_nothing(place: Place) -> None:
    assert place.look() == (Occupant.NOTHING, False)
    place.file.parent.rmdir()
    assert place.look() == (Occupant.NOTHING, False)


@pytest.mark.parametrize(
    ("key", "occupant"),
    [(MINE, Occupant.THIS_RESULT), (OTHER, Occupant.OTHER_RESULT)],
)
def test_occupant_of_ours_is_told_by_its_stamp(
    place: Place,
    key: EditKey,
    occupant: Occupant,
) -> None:
    place.file.write_bytes(b"result")
    owner = place.known(key, b"never read", stamped=True)
    assert place.look(owner) == (occupant, False)


@pytest.mark.parametrize(
    ("key", "occupant"),
    [(MINE, Occupant.THIS_RESULT), (OTHER, Occupant.OTHER_RESULT)],
)
def test_occupant_of_ours_under_another_stamp_is_told_by_its_digest(
    place: Place,
    key: EditKey,
    occupant: Occupant,
) -> None:
    place.file.write_bytes(b"result")
    owner = place.known(key, b"result", stamped=True)
    place.records.files[place.path] = [owner]
    os.utime(place.file, (1, 1))
    assert place.look(owner) == (occupant, True)
    assert place.look(None) == (occupant, True)


def test_occupant_that_two_edits_made_alike_is_this_ones(place: Place) -> None:
    place.file.write_bytes(b"result")
    for order in ((MINE, OTHER), (OTHER, MINE)):
        place.records.files[place.path] = [place.known(key, b"result") for key in order]
        assert place.look() == (Occupant.THIS_RESULT, True)


def test_occupant_that_someone_changed_is_altered(place: Place) -> None:
    place.file.write_bytes(b"result")
    owner = place.known(MINE, b"result", stamped=True)
    place.records.files[place.path] = [owner]
    place.file.write_bytes(b"RESULT")
    os.utime(place.file, (1, 1))
    assert place.look(owner) == (Occupant.ALTERED, False)


def test_occupant_that_is_not_known_is_foreign(place: Place) -> None:
    place.file.write_bytes(b"someone's")
    assert place.look() == (Occupant.FOREIGN, False)
    place.records.files[place.path] = [place.known(MINE, b"result")]
    assert place.look() == (Occupant.FOREIGN, False)


def test_occupant_that_some_row_edits_is_a_source(place: Place) -> None:
    place.file.write_bytes(b"picture")
    status = place.file.stat()
    place.records.sources.add((status.st_dev, status.st_ino))
    assert place.look() == (Occupant.SOURCE, False)


def test_occupant_that_is_no_file_is_a_folder_or_a_link(place: Place) -> None:
    place.file.mkdir()
    assert place.look() == (Occupant.FOLDER, False)
    place.file.rmdir()
    place.file.symlink_to("nowhere")
    assert place.look() == (Occupant.LINK, False)
    place.file.unlink()
    os.mkfifo(place.file)
    assert place.look() == (Occupant.FOLDER, False)


def test_occupant_on_the_way_counts(place: Place) -> None:
    folder = place.file.parent
    folder.rmdir()
    folder.symlink_to("/tmp")  # noqa: S108 - where it leads does not matter
    assert place.look() == (Occupant.LINK, False)
    folder.unlink()
    folder.write_bytes(b"")
    holding = Holding(
        number=1, key=MINE, path=place.path, standing=Standing(), suffix="", owner=None
    )
    ((occupant, _),) = Occupancy(place.room.folders, place.records, offload=run_sync).occupants(
        (holding,)
    )
    assert occupant is Occupant.FOLDER


def test_occupant_is_looked_for_where_its_format_put_it(place: Place) -> None:
    place.file.with_name("a.png.jpg").write_bytes(b"someone's")
    assert place.look() == (Occupant.NOTHING, False)
    holding = Holding(
        number=1, key=MINE, path=place.path, standing=Standing(), suffix=".jpg", owner=None
    )
    found = Occupancy(place.room.folders, place.records, offload=run_sync).occupants((holding,))
    assert found == [(Occupant.FOREIGN, None)]
