"""A disk that is full: nothing torn, nothing paid for lost, exit 9, and the next run goes on."""

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
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(desk.out)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert mounted.returncode == 0, mounted.stderr
    yield desk.out
    subprocess.run(["umount", "-l", str(desk.out)], check=True)


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
