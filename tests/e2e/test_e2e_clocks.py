"""Clocks that are set, and processes that stand still: no burst, no wait cancelled, no overrun."""

from __future__ import annotations

import json
import os
import signal
import time
from bisect import bisect_right
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from qwenbatch.sandbox import FaultKind, variants_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.e2e.conftest import Desk

SHIFTED = """
import json, os, time
real = time.time
def shifted():
    try:
        with open(os.environ["SHIFT"]) as file:
            return real() + json.load(file)
    except ValueError:
        return shifted()
time.time = shifted
"""


class Shift:
    """The wall clock of the commands that a desk starts from here on."""

    def __init__(self, desk: Desk) -> None:
        shim = desk.folder / "shim"
        shim.mkdir()
        (shim / "sitecustomize.py").write_text(SHIFTED)
        self._file = desk.folder / "shift.json"
        self.by(0.0)
        before = desk.environment.get("PYTHONPATH")
        desk.environment |= {
            "PYTHONPATH": os.pathsep.join(filter(None, (str(shim), before))),
            "SHIFT": str(self._file),
            "TZ": "UTC",
        }

    def by(self, seconds: float) -> None:
        """Set it so many seconds forward, as seen from the true time."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps(seconds))
        fresh.replace(self._file)

    def to_before_a_minute(self, seconds: float) -> str:
        """Set it so many seconds before a full minute; that minute as HH:MM."""
        now = time.time()
        minute = 1_800_000_000 // 60 * 60
        self.by(minute - seconds - now)
        return f"{datetime.fromtimestamp(minute, UTC):%H:%M}"


@pytest.fixture
def shift(desk_with: Callable[..., Desk]) -> tuple[Desk, Shift]:
    desk = desk_with(latency=(0.4, 0.4))
    return desk, Shift(desk)


def most_within(starts: Sequence[float], seconds: float) -> int:
    """The most arrivals in any window of so many seconds."""
    ordered = sorted(starts)
    return max(bisect_right(ordered, one + seconds) - at for at, one in enumerate(ordered))


def test_a_process_that_was_stopped_and_goes_on_sends_no_burst(
    desk_with: Callable[..., Desk],
) -> None:
    desk = desk_with(latency=(0.05, 0.05))
    desk.rows(*desk.items(40))
    run = desk.start("--rate", 20)
    desk.house.wait_posts(8)

    run.send(signal.SIGSTOP)
    time.sleep(1.5)  # what it could have sent meanwhile: 30 edits
    run.send(signal.SIGCONT)
    ended = run.wait()

    assert (ended.status, ended.items) == (0, {"total": 40, "saved": 40})
    starts = desk.house.starts()
    assert max(b - a for a, b in pairwise(starts)) > 1
    # One in each gap, one at either end, and one that was on its way when it was stopped.
    assert most_within(starts, 0.5) <= 0.5 * 20 + 2 + 1


def test_an_answer_that_came_while_the_process_was_stopped_is_heard(
    desk_with: Callable[..., Desk],
) -> None:
    desk = desk_with(latency=(0.5, 0.5))
    desk.rows(*desk.items(2))
    run = desk.start("--timeout", 1.5)
    desk.house.wait_in_flight(2)

    run.send(signal.SIGSTOP)
    time.sleep(2.0)  # longer than --timeout allows
    run.send(signal.SIGCONT)
    ended = run.wait()

    assert (ended.status, ended.items) == (0, {"total": 2, "saved": 2})
    assert desk.house.posts() == 2


def test_until_stops_sends_early_enough_for_what_is_in_flight(
    desk_with: Callable[..., Desk],
) -> None:
    desk = desk_with(latency=(1.0, 1.0))
    clock = Shift(desk)
    desk.rows(*desk.items(200))
    run = desk.start("--until", clock.to_before_a_minute(3000), "--rate", 8)
    desk.house.wait_billed(2)

    left = time.monotonic() + 3
    clock.to_before_a_minute(3)
    ended = run.wait()

    assert (ended.status, ended.told["stopped_by"]) == (6, "deadline")
    assert 0 < ended.items["saved"] < 200
    assert set(ended.items) == {"total", "saved", "pending"}
    assert ended.cost["exposure"] == 0
    assert desk.house.books()["billed"] == ended.items["saved"]
    # Each is in flight for a second: the last was sent that much before the deadline.
    assert desk.house.starts()[-1] < left - 1 + 0.4


def test_until_is_heeded_at_once_where_the_wall_clock_leaps_past_it(
    shift: tuple[Desk, Shift],
) -> None:
    desk, clock = shift
    desk.rows(*desk.items(6))
    run = desk.start("--until", clock.to_before_a_minute(3000), "--rate", 0.1)
    desk.house.wait_billed(1)

    leapt = time.monotonic()
    clock.to_before_a_minute(-60)
    ended = run.wait()

    assert (ended.status, ended.told["stopped_by"]) == (6, "deadline")
    assert ended.items == {"total": 6, "saved": 1, "pending": 5}
    assert time.monotonic() - leapt < 4  # not the ten seconds of the pace


@pytest.mark.parametrize("leap", [-86_400.0, 86_400.0])
def test_a_leap_of_the_wall_clock_changes_neither_rate_nor_duration(
    shift: tuple[Desk, Shift],
    leap: float,
) -> None:
    desk, clock = shift
    desk.rows(*desk.items(12))
    run = desk.start("--rate", 8, "--max-duration", "1h", "--timeout", 10)
    desk.house.wait_posts(4)
    clock.by(leap)
    ended = run.wait()

    assert (ended.status, ended.items) == (0, {"total": 12, "saved": 12})
    assert most_within(desk.house.starts(), 0.5) <= 0.5 * 8 + 2
    assert 1.3 < ended.told["seconds"] < 15


def test_retry_after_of_hours_halts_and_says_when_to_come_back(desk: Desk) -> None:
    desk.rows(*desk.items(3))
    (variant,) = (
        one for one in variants_of(FaultKind.EXHAUSTED) if ("Retry-After", "25280") in one.headers
    )
    desk.house.fail("exhausted", variant=variant.name, times=None)

    ended = desk.run("-c", 1)

    assert (ended.status, ended.told["stopped_by"]) == (7, "exhausted")
    said = ended.stderr.partition("come back at ")[2][:16]
    moment = datetime.strptime(said, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    hours = (moment - datetime.now(UTC)).total_seconds() / 3600
    assert 6.9 < hours < 7.1
    assert desk.house.posts() == 1


DEFECTIVE = """
from qwenbatch.wiring import batch
def broken(*_, **__):
    raise ZeroDivisionError("a defect")
batch.make_plan = broken
"""


def test_a_defect_exits_with_1_and_leaves_stdout_empty(desk: Desk) -> None:
    shim: Path = desk.folder / "shim"
    shim.mkdir()
    (shim / "sitecustomize.py").write_text(DEFECTIVE)
    before = desk.environment.get("PYTHONPATH")
    path = os.pathsep.join(filter(None, (str(shim), before)))
    desk.rows(*desk.items(1))

    run = desk.start(env={**desk.environment, "PYTHONPATH": path})

    assert run.process.wait(20) == 1
    assert run.stdout.read_text() == ""
    assert "ZeroDivisionError: a defect" in run.stderr.read_text()
