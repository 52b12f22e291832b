"""SIGKILL of every part of a fleet, and of two at once: the books say whether any is paid twice."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.fleet.conftest import kill, until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from tests.e2e.conftest import Ended
    from tests.fleet.conftest import Fleet, Yard

pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]

ITEMS = 60


def test_worker_that_is_killed_leaves_only_what_it_had_in_flight_uncertain(
    fleet: Fleet, yard_with: Callable[..., Yard]
) -> None:
    yard, driver = _started(yard_with)
    kill(fleet.workers(yard.out)[0])
    _held_against_the_books(yard, yard.wait(driver), most_uncertain=8)


def test_keeper_that_is_killed_goes_on_with_the_workers_that_live(
    fleet: Fleet, yard_with: Callable[..., Yard]
) -> None:
    yard, driver = _started(yard_with)
    before = fleet.head(yard.out)
    kill(before)
    _held_against_the_books(yard, yard.wait(driver), most_uncertain=8)


def test_driver_that_is_killed_watches_the_rest_when_it_is_started_again(
    fleet: Fleet, yard_with: Callable[..., Yard]
) -> None:
    yard, driver = _started(yard_with)
    driver.kill()
    driver.wait()
    ended = yard.wait(_start(yard))
    assert ended.items == {"total": ITEMS, "saved": ITEMS}
    assert ended.told["edits"]["attempts"] == ITEMS, "it is one run, whoever watched"
    assert yard.posts() == ITEMS
    assert fleet.is_over(yard.out)


def test_driver_that_comes_after_the_end_is_told_how_it_ended(
    fleet: Fleet, yard_with: Callable[..., Yard]
) -> None:
    yard, driver = _started(yard_with)
    driver.kill()
    driver.wait()
    until(lambda: len(list(yard.out.glob("*.png"))) == ITEMS, "every result")
    ended = yard.wait(_start(yard))
    assert ended.told["edits"] == {"attempts": ITEMS, "paid": ITEMS}
    assert fleet.is_over(yard.out)


def test_keeper_and_a_worker_that_are_killed_at_once_pay_nothing_twice(
    fleet: Fleet, yard_with: Callable[..., Yard]
) -> None:
    yard, driver = _started(yard_with)
    worker, head = fleet.workers(yard.out)[0], fleet.head(yard.out)
    kill(worker)
    kill(head)
    _held_against_the_books(yard, yard.wait(driver), most_uncertain=8)


def test_keeper_and_driver_that_are_killed_at_once_pay_nothing_twice(
    fleet: Fleet, yard_with: Callable[..., Yard]
) -> None:
    yard, driver = _started(yard_with)
    kill(fleet.head(yard.out))
    driver.kill()
    driver.wait()
    _held_against_the_books(yard, yard.wait(_start(yard)), most_uncertain=8)


def _started(yard_with: Callable[..., Yard], *words: str) -> tuple[Yard, subprocess.Popen[bytes]]:
    """A run some way into its edits, with several in flight."""
    yard = yard_with(latency=(0.3, 1.5), seed=7)
    yard.items(ITEMS)
    driver = _start(yard, *words)
    yard.wait_billed(10)
    return yard, driver


def _start(yard: Yard, *words: str) -> subprocess.Popen[bytes]:
    return yard.start("--rate", 12, "--concurrency", 8, *words)


def _held_against_the_books(yard: Yard, ended: Ended, *, most_uncertain: int) -> None:
    """Everything is saved or uncertain, and nothing is billed twice; then the rest is settled."""
    items = ended.items
    assert set(items) <= {"total", "saved", "uncertain"}, ended.stderr
    assert items["saved"] + items.get("uncertain", 0) == ITEMS, ended.stderr
    assert items.get("uncertain", 0) <= most_uncertain, ended.stderr
    assert ended.status == (4 if "uncertain" in items else 0)
    yard.wait_landed()
    assert yard.bills() == {1}
    assert all(edit.posts == 1 for edit in yard.sandbox.books.edits.values())


def test_worker_that_stood_still_for_longer_than_its_lease_pays_nothing_twice(
    fleet: Fleet, yard_with: Callable[..., Yard]
) -> None:
    yard, driver = _started(yard_with, "--log-format", "json")
    worker = fleet.workers(yard.out)[0]
    os.kill(worker, signal.SIGSTOP)
    try:
        yard.says(driver, "its worker was not heard of any more")
    finally:
        os.kill(worker, signal.SIGCONT)
    _held_against_the_books(yard, yard.wait(driver), most_uncertain=8)
