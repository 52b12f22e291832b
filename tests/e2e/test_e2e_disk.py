"""A disk that is full, gone or not to be written: nothing torn, nothing paid for lost, exit 9.

The next run, once it is mended, goes on and pays for nothing twice.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.conftest import Desk, House

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("mount") is None,
    reason="needs root and mount, for a small tmpfs",
)

MEGABYTE = 1024 * 1024


@pytest.fixture
def small(desk: Desk) -> Iterator[Path]:
    """OUT on a disk of 40 MB."""
    desk.out.mkdir()
    mount("-t", "tmpfs", "-o", "size=40m", "tmpfs", desk.out)
    yield desk.out
    subprocess.run(["umount", "-l", str(desk.out)], check=True)


def mount(*words: object) -> None:
    mounted = subprocess.run(
        ["mount", *map(str, words)], check=False, capture_output=True, text=True
    )
    assert mounted.returncode == 0, mounted.stderr


class Plug:
    """OUT on a disk that can be pulled out and put back."""

    def __init__(self, disk: Path, out: Path) -> None:
        self._disk = disk
        self._out = out

    def put_in(self) -> None:
        mount("--bind", self._disk, self._out)

    def pull_out(self) -> None:
        subprocess.run(["umount", "-l", str(self._out)], check=True)


@pytest.fixture
def plug(desk: Desk) -> Iterator[Plug]:
    disk = desk.folder / "disk"
    disk.mkdir()
    desk.out.mkdir()
    mount("-t", "tmpfs", "tmpfs", disk)
    plug = Plug(disk, desk.out)
    plug.put_in()
    yield plug
    # Where the test failed on the way, OUT may be pulled out already.
    subprocess.run(["umount", "-l", str(desk.out)], check=False)
    subprocess.run(["umount", "-l", str(disk)], check=True)


NOT_ABOVE_PERMISSIONS = (
    "setpriv",
    "--bounding-set=-dac_override,-dac_read_search",
    "--inh-caps=-dac_override,-dac_read_search",
)
"""What lets root, as whom containers run tests, be refused like anyone else."""


def goes_on_and_pays_for_nothing_twice(desk: Desk, house: House, count: int) -> None:
    """Run again: whatever was billed before is saved now, and not sent again."""
    posts, billed = house.posts(), house.billed()
    again = desk.run()
    assert (again.status, again.items["saved"]) == (0, count), again.stdout
    assert house.posts() - posts == count - len(billed)
    assert set(house.billed().values()) == {1}
    assert again.cost["ledger_total"] == desk.prices(house.books()["billed"])
    assert desk.left_over() == []


def fill(folder: Path, *, leave: int) -> Path:
    """Take all room but `leave` bytes."""
    ballast = folder / ".ballast"
    free = shutil.disk_usage(folder).free - leave
    with ballast.open("wb") as file:
        while free > 0:
            file.write(bytes(min(free, MEGABYTE)))
            free -= MEGABYTE
    return ballast


def test_a_full_disk_sends_nothing_and_the_next_run_goes_on(
    desk: Desk,
    house: House,
    small: Path,
) -> None:
    desk.rows(*desk.items(3))
    ballast = fill(small, leave=4 * MEGABYTE)
    ended = desk.run("-c", 1)
    assert (ended.status, ended.told["stopped_by"]) == (9, "disk")
    assert house.posts() == 0

    ballast.unlink()
    assert desk.run("-c", 1).items == {"total": 3, "saved": 3}
    assert set(house.billed().values()) == {1}


def test_an_answer_that_the_ledger_cannot_record_is_spooled_and_not_paid_again(
    desk: Desk,
    house: House,
    small: Path,
) -> None:
    rows = desk.items(2)
    desk.rows(*rows)
    house.fail("answer_short", times=None, delay=1.0)
    run = desk.start("-c", 2)
    house.wait_in_flight(2)
    ballast = fill(small, leave=0)
    ended = run.wait()
    assert ended.status == 9, ended.stderr
    assert desk.results() == {".ballast"}

    house.mend()
    ballast.unlink()
    posts = house.posts()
    again = desk.run("-c", 2)
    assert (again.status, again.items["saved"]) == (0, 2), again.stdout
    assert house.posts() == posts
    assert set(house.billed().values()) == {1}


def test_a_disk_that_goes_away_in_mid_run_loses_nothing_that_was_paid_for(
    desk: Desk,
    house: House,
    plug: Plug,
) -> None:
    desk.rows(*desk.items(6))
    house.fail("answer_short", times=None, delay=1.0)
    run = desk.start("-c", 2)
    house.wait_in_flight(2)

    plug.pull_out()
    ended = run.wait()

    assert (ended.status, ended.told["stopped_by"]) == (9, "disk")
    assert desk.results() == set()
    assert house.posts() <= 4
    plug.put_in()
    assert desk.results() == set()
    house.mend()
    goes_on_and_pays_for_nothing_twice(desk, house, 6)


def test_a_folder_that_may_no_longer_be_written_loses_nothing_that_was_paid_for(
    desk: Desk,
    house: House,
) -> None:
    desk.wrapper = NOT_ABOVE_PERMISSIONS
    desk.rows(*desk.items(6))
    house.fail("answer_short", times=None, delay=1.0)
    run = desk.start("-c", 2)
    house.wait_in_flight(2)

    own = desk.out / ".qwenbatch"
    folders = (own / "tmp", own, desk.out)
    for folder in folders:
        folder.chmod(0o500)
    ended = run.wait()

    assert (ended.status, ended.told["stopped_by"]) == (9, "disk")
    assert "Permission denied" in ended.stderr
    assert desk.results() == set()
    assert house.posts() <= 4
    for folder in folders:
        folder.chmod(0o700)
    house.mend()
    goes_on_and_pays_for_nothing_twice(desk, house, 6)


def test_a_disk_that_is_read_only_is_told_before_anything_is_sent(
    desk: Desk,
    house: House,
    small: Path,
) -> None:
    desk.rows(*desk.items(1))
    assert desk.run().status == 0
    desk.rows(*desk.items(3))
    mount("-o", "remount,ro", small)

    ended = desk.run()

    assert (ended.status, ended.stdout) == (9, "")
    assert "Read-only file system" in ended.stderr
    assert house.posts() == 1
    mount("-o", "remount,rw", small)
    goes_on_and_pays_for_nothing_twice(desk, house, 3)


def test_a_folder_that_may_not_be_written_is_told_before_anything_is_sent(
    desk: Desk,
    house: House,
) -> None:
    desk.wrapper = NOT_ABOVE_PERMISSIONS
    desk.rows(*desk.items(1))
    desk.out.mkdir(mode=0o500)

    ended = desk.run()

    assert (ended.status, ended.stdout) == (9, "")
    assert str(desk.out) in ended.stderr
    assert "choose a folder that you may write" in ended.stderr
    assert house.posts() == 0
    desk.out.chmod(0o700)
    goes_on_and_pays_for_nothing_twice(desk, house, 1)
