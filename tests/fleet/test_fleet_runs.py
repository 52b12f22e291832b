"""A fleet's run is a run: the same summary, statuses and signals, whoever makes the edits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.fleet.conftest import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fleet.conftest import Fleet, Yard

pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]


def test_fleet_saves_every_item_and_is_gone(fleet: Fleet, yard_with: Callable[..., Yard]) -> None:
    yard = yard_with()
    yard.items(40)
    ended = yard.wait(yard.start("--rate", 100, "--concurrency", 8))
    assert ended.items == {"total": 40, "saved": 40}, ended.stderr
    assert ended.told["edits"] == {"attempts": 40, "paid": 40}
    assert yard.posts() == 40
    assert fleet.is_over(yard.out)


def test_signal_drains_the_fleet_and_the_next_run_goes_on(yard_with: Callable[..., Yard]) -> None:
    yard = yard_with(latency=(0.5, 0.5))
    yard.items(30)
    driver = yard.start("--rate", 20, "--concurrency", 8)
    yard.wait_billed(3)
    driver.send_signal(signal.SIGINT)
    ended = yard.wait(driver)
    assert ended.status == 130, ended.stderr
    assert ended.told["stopped_by"] == "interrupted"
    assert ended.items["saved"] == ended.told["edits"]["paid"] == yard.posts()
    ended = yard.wait(yard.start("--rate", 100))
    assert ended.items["saved"] == 30
    assert yard.bills() == {1}


def test_max_cost_holds_for_the_fleet_as_one(yard_with: Callable[..., Yard]) -> None:
    yard = yard_with(latency=(0.1, 0.3))
    yard.items(20)
    ended = yard.wait(yard.start("--rate", 100, "--concurrency", 8, "--max-cost", "0.385"))
    assert (ended.status, ended.told["stopped_by"]) == (5, "max_cost"), ended.stderr
    assert yard.posts() == 7


def test_second_signal_gives_up_what_is_in_flight_as_uncertain(
    yard_with: Callable[..., Yard],
) -> None:
    yard = yard_with(latency=(60.0, 60.0))
    yard.items(10)
    driver = yard.start("--rate", 20, "--concurrency", 4)
    until(lambda: yard.posts() == 4, "as many in flight as may be")
    driver.send_signal(signal.SIGINT)
    yard.says(driver, "once more gives it up")
    driver.send_signal(signal.SIGINT)
    ended = yard.wait(driver)
    assert ended.status == 130, ended.stderr
    assert ended.items == {"total": 10, "uncertain": 4, "pending": 6}


def test_two_drivers_of_one_command_are_both_told_how_it_ended(
    fleet: Fleet, yard_with: Callable[..., Yard]
) -> None:
    yard = yard_with(latency=(0.2, 0.5))
    yard.items(60)
    words = ("--rate", 10, "--concurrency", 8)
    drivers = [yard.start(*words), yard.start(*words)]
    ended = [yard.wait(driver) for driver in drivers]
    assert [one.status for one in ended] == [0, 0], ended[1].stderr
    assert ended[0].told == ended[1].told
    assert yard.posts() == 60
    assert fleet.is_over(yard.out)


def test_trial_on_a_ray_of_its_own_leaves_nothing_behind(tmp_path: Path) -> None:
    # The sockets that lie in there may have no longer names.
    with TemporaryDirectory(prefix="q-", dir="/tmp") as rays_own:
        Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
        mine = {"HOME": str(tmp_path), "RAY_TMPDIR": rays_own}
        others = {name: value for name, value in os.environ.items() if "RAY_" not in name}
        words = ["run", "a.jsonl", "--sandbox", "--engine", "ray", "--json", "-o", "out"]
        (tmp_path / "a.jsonl").write_text('{"image": "a.png", "instruction": "mirror"}\n')
        ran = subprocess.run(
            [sys.executable, "-m", "qwenbatch", *words],
            cwd=tmp_path,
            env=others | mine,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.count("\n") == 1
        assert "Ray" not in ran.stderr
        assert list(Path(rays_own).iterdir()) == []
        assert not (tmp_path / ".ray").exists()
        assert rays_own not in subprocess.check_output(["ps", "-eo", "args"], text=True)
