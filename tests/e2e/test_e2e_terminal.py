"""On a real terminal: the question before a paid run, the live display, the closing page."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.e2e.conftest import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Desk, House

pytestmark = pytest.mark.skipif(
    shutil.which("tmux") is None,
    reason="needs the system package tmux",
)


class Terminal:
    """A terminal of 90 × 30 characters in which the command runs."""

    def __init__(self, desk: Desk, options: str = "") -> None:
        self._name = f"qwenbatch-{uuid4().hex[:8]}"
        self._desk = desk
        exports = " ".join(f"{key}={value!r}" for key, value in desk.environment.items())
        words = f"{sys.executable} -m qwenbatch run job.jsonl --gateway {desk.house.url}"
        line = f"env {exports} {words} -o out --rate 200 {options}; echo status=$?; exec cat"
        self._tmux("new-session", "-d", "-x", "90", "-y", "30", "-c", str(desk.folder), line)

    def _tmux(self, command: str, *words: str) -> str:
        name = ("-s", self._name) if command == "new-session" else ("-t", self._name)
        done = subprocess.run(
            ["tmux", "-L", self._name, command, *name, *words],
            check=False,
            capture_output=True,
            text=True,
        )
        return done.stdout

    def screen(self) -> str:
        return self._tmux("capture-pane", "-p")

    def shows(self, words: str) -> None:
        until(lambda: words in self.screen(), f"{words!r} on the terminal")

    def type(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def close(self) -> None:
        self._tmux("kill-session")


@pytest.fixture
def terminal(desk: Desk) -> Iterator[Terminal]:
    desk.rows(*desk.items(3))
    opened = Terminal(desk)
    yield opened
    opened.close()


@pytest.fixture
def canaries(desk: Desk) -> Iterator[Terminal]:
    desk.rows(*desk.items(6))
    opened = Terminal(desk, "--canary 2")
    opened.shows("go on?")
    opened.type("y", "Enter")
    yield opened
    opened.close()


def test_canaries_are_shown_and_the_rest_follows_only_a_yes(
    canaries: Terminal,
    house: House,
) -> None:
    canaries.shows("Go on with the rest?")
    shown = canaries.screen()
    assert "canary 1 of 2: p01.png" in shown
    assert "mirror p01" in shown
    assert "out/p04.png" in shown
    assert house.posts() == 2
    canaries.type("y", "Enter")
    canaries.shows("status=0")
    assert sorted(house.billed().values()) == [1] * 6


def test_canaries_that_are_not_liked_are_all_that_is_paid(
    canaries: Terminal,
    house: House,
) -> None:
    canaries.shows("Go on with the rest?")
    canaries.type("n", "Enter")
    canaries.shows("status=3")
    assert house.posts() == 2


def test_a_paid_run_asks_first_and_sends_nothing_if_declined(
    terminal: Terminal,
    house: House,
) -> None:
    terminal.shows("3 edits, $0.165: go on?")
    assert house.posts() == 0
    terminal.type("n", "Enter")
    terminal.shows("status=3")
    assert house.posts() == 0


def test_a_paid_run_goes_on_if_told_to(terminal: Terminal, house: House) -> None:
    terminal.shows("go on?")
    terminal.type("y", "Enter")
    terminal.shows("status=0")
    assert "every item is saved" in terminal.screen()
    assert house.books()["billed"] == 3


def test_live_area_says_why_not_more_and_is_asked_by_a_signal(slow_desk: Desk) -> None:
    slow_desk.rows(*slow_desk.items(3))
    slow_desk.environment |= {"LC_ALL": "C", "NO_COLOR": "1"}
    opened = Terminal(slow_desk, "--yes -c 2 & pid=$!; read x; kill -USR1 $pid; wait $pid")
    try:
        opened.shows("not more: --concurrency allows 2 in flight")
        shown = opened.screen()
        assert "2 of 2 in flight" in shown
        assert shown.isascii()
        opened.type("Enter")
        opened.shows("0 of 3 items saved, 2 in flight")
        opened.shows("3 pending")
    finally:
        opened.close()


def test_a_signal_ends_the_question(terminal: Terminal, house: House) -> None:
    terminal.shows("go on?")
    terminal.type("C-c")
    terminal.shows("status=130")
    assert house.posts() == 0
