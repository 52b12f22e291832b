"""The first signal drains, the second gives up what is in flight; both exit by their status."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.conftest import Desk

INTERRUPTED = (signal.SIGINT, 130, "interrupted")
TERMINATED = (signal.SIGTERM, 143, "terminated")
HUNG_UP = (signal.SIGHUP, 143, "terminated")


@pytest.mark.parametrize(("number", "status", "reason"), [INTERRUPTED, HUNG_UP])
def test_the_first_signal_awaits_and_saves_what_is_in_flight(
    desk_with: Callable[..., Desk],
    number: int,
    status: int,
    reason: str,
) -> None:
    desk = desk_with(latency=(0.6, 0.6))
    desk.rows(*desk.items(8))
    run = desk.start("--concurrency", 2)
    desk.house.wait_in_flight(2)

    run.send(number)
    ended = run.wait()

    assert (ended.status, ended.told["stopped_by"]) == (status, reason)
    assert ended.items == {"total": 8, "saved": 2, "pending": 6}
    assert ended.cost["spent"] == desk.prices(2)
    assert ended.cost["exposure"] == 0
    assert len(desk.results()) == desk.house.posts() == 2


@pytest.mark.parametrize(("number", "status", "reason"), [INTERRUPTED, TERMINATED])
def test_the_second_signal_gives_up_what_is_in_flight_as_uncertain(
    slow_desk: Desk,
    number: int,
    status: int,
    reason: str,
) -> None:
    slow_desk.rows(*slow_desk.items(6))
    run = slow_desk.start("--concurrency", 3)
    slow_desk.house.wait_in_flight(3)

    run.send(number)
    run.says("stopping")
    run.send(number)
    ended = run.wait(5.0)

    assert (ended.status, ended.told["stopped_by"]) == (status, reason)
    assert ended.items == {"total": 6, "uncertain": 3, "pending": 3}
    assert ended.told["failures"] == {"cut_off": 3}
    assert (ended.cost["spent"], ended.cost["exposure"]) == (0, slow_desk.prices(3))
    assert slow_desk.house.posts() == 3

    again = slow_desk.check()

    assert again.items == {"total": 6, "uncertain": 3, "pending": 3}
    assert again.told["estimate"]["edits"] == 3


def test_a_second_signal_while_a_result_is_fetched_loses_nothing(desk: Desk) -> None:
    desk.rows(*desk.items(1))
    desk.house.fail("result_slow", delay=60.0)
    run = desk.start()
    desk.house.wait_fetches(1)

    run.send(signal.SIGTERM)
    run.says("stopping")
    run.send(signal.SIGTERM)
    ended = run.wait(5.0)

    assert (ended.status, ended.items) == (143, {"total": 1, "pending": 1})
    assert ended.told["failures"] == {"unfetched": 1}
    assert ended.cost["spent"] == desk.prices(1)

    again = desk.run()

    assert (again.status, again.items) == (0, {"total": 1, "saved": 1, "reused": 1})
    assert desk.house.posts() == 1
    assert desk.left_over() == []


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_before_the_run_is_set_up_ends_it_by_its_status(
    desk: Desk,
    number: int,
    status: int,
) -> None:
    os.mkfifo(desk.folder / "job.toml")
    run = desk.start(source="job.toml")
    with (desk.folder / "job.toml").open("w"):  # it is reading, and will be until this is closed
        run.send(number)
        ended = run.wait(5.0)

    assert (ended.status, ended.stdout, ended.stderr) == (status, "", "")
    assert desk.house.posts() == 0


@pytest.mark.parametrize(
    ("number", "status", "reason"),
    [INTERRUPTED, TERMINATED, HUNG_UP],
)
def test_a_signal_while_the_ledger_is_about_to_be_opened_sends_nothing(
    desk: Desk,
    number: int,
    status: int,
    reason: str,
) -> None:
    desk.rows(*desk.items(2))
    file = desk.folder / "key"
    os.mkfifo(file)
    environment = {**desk.environment, "QWENBATCH_API_KEY_FILE": str(file)}
    del environment["QWENBATCH_API_KEY"]
    run = desk.start(env=environment)
    with file.open("w") as key:
        run.send(number)
        file.unlink()
        file.write_text("sandbox")  # for whoever reads it once more
        key.write("sandbox")
    ended = run.wait()

    assert (ended.status, ended.told["stopped_by"]) == (status, reason)
    assert desk.house.posts() == 0


def test_a_signal_that_is_to_be_ignored_is_ignored(desk: Desk) -> None:
    desk.rows(*desk.items(2))
    desk.house.fail("gave_up", delay=0.5)
    ignored = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        run = desk.start("--concurrency", 1)
    finally:
        signal.signal(signal.SIGHUP, ignored)
    desk.house.wait_posts(1)

    run.send(signal.SIGHUP)

    assert run.wait().told["stopped_by"] is None
