"""How a run stands, asked for by a signal."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Desk

STANDING = "0 of 2 items saved, 2 in flight"


@pytest.mark.parametrize("words", [(), ("--quiet",)])
def test_sigusr1_prints_a_line_when_it_asks(slow_desk: Desk, words: tuple[str, ...]) -> None:
    desk = slow_desk
    desk.rows(*desk.items(2))
    run = desk.start(*words)
    desk.house.wait_in_flight(2)
    assert STANDING not in run.stderr.read_text()
    run.send(signal.SIGUSR1)
    run.says(STANDING)
    run.kill()


def test_sigusr1_puts_no_line_between_json_lines_and_ends_nothing(slow_desk: Desk) -> None:
    desk = slow_desk
    desk.rows(*desk.items(1))
    run = desk.start("--log-format", "json")
    desk.house.wait_in_flight(1)
    run.send(signal.SIGUSR1)
    run.send(signal.SIGINT)
    run.says('"stopping"')
    run.send(signal.SIGINT)
    ended = run.wait()
    assert ended.status == 130
    records = [json.loads(line) for line in ended.stderr.splitlines()]
    aborted = [record for record in records if record["event"] == "attempt_ended"]
    assert [(each["kind"], each["cost"]) for each in aborted] == [("cut_off", 0.055)]
