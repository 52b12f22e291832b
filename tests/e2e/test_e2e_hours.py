"""`--at` and `--until`: a start outside a run's hours sends nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.conftest import Desk, House


def clock(hours: float) -> str:
    """What the local clock shows so many hours from now."""
    return f"{datetime.now().astimezone() + timedelta(hours=hours):%H:%M}"


def test_a_start_outside_its_hours_sends_nothing_and_exits_6(desk: Desk, house: House) -> None:
    desk.rows(*desk.items(2))
    ended = desk.run("--at", clock(1), "--until", clock(3))
    assert ended.status == 6
    assert ended.told["stopped_by"] == "deadline"
    assert ended.items == {"total": 2, "pending": 2}
    assert house.posts() == 0


def test_a_start_after_its_hours_sends_nothing_and_exits_6(desk: Desk, house: House) -> None:
    desk.rows(*desk.items(2))
    assert desk.run("--at", clock(-3), "--until", clock(-1)).status == 6
    assert house.posts() == 0


def test_a_start_within_its_hours_runs(desk: Desk, house: House) -> None:
    desk.rows(*desk.items(2))
    assert desk.run("--at", clock(-1), "--until", clock(2)).status == 0
    assert house.posts() == 2


def test_hours_that_never_end_make_no_sense(desk: Desk, house: House) -> None:
    desk.rows(*desk.items(1))
    ended = desk.run("--at", clock(-1))
    assert ended.status == 2
    assert "--until" in ended.stderr
    assert house.posts() == 0
