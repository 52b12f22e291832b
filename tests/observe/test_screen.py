from __future__ import annotations

import io
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from qwenbatch.core.events import (
    AttemptEnded,
    AttemptSent,
    PaceChanged,
    Planned,
    Planning,
    ResultSaved,
    RowRefused,
    RunOpened,
    Stopping,
)
from qwenbatch.core.money import MicroUSD
from qwenbatch.core.stops import StopReason
from qwenbatch.core.summary import Estimate, ItemCounts
from qwenbatch.core.verdicts import Kind
from qwenbatch.observe.painting import Painting, failure_words
from qwenbatch.observe.progress import Progress
from qwenbatch.observe.screen import Screen, can_show
from qwenbatch.observe.terminal import Terminal
from qwenbatch.observe.view import Failure

if TYPE_CHECKING:
    from qwenbatch.observe.view import View
    from tests.observe.conftest import Hand

PRICE = MicroUSD(55_000)
PLANNED = Planned(
    items=ItemCounts(total=1204, saved=100, reused=100, invalid=3, pending=1101),
    estimate=Estimate(edits=1101, cost=MicroUSD(1101 * PRICE), left=MicroUSD(100_000_000)),
    to_place=0,
)
HOSTILE = "deep/in a/folder/[red]\x1b[2J\nécran.jpg"


def busy_view() -> View:
    progress = Progress()
    progress.absorb(
        RunOpened(run="3f2a", source="m.csv", out="out", gateway="http://g", sandbox=True),
        0.0,
    )
    progress.absorb(PLANNED, 0.0)
    for number in range(40):
        kind = {7: Kind.MODERATED, 9: Kind.CUT_OFF, 11: Kind.SERVER_ERROR}.get(number)
        progress.absorb(AttemptSent(key=f"k{number}", attempt=f"a{number}", image=HOSTILE), number)
        if number >= 30:
            continue
        progress.absorb(
            AttemptEnded(
                key=f"k{number}",
                attempt=f"a{number}",
                image=HOSTILE,
                kind=kind,
                message="bad words\nat https://h/x?sig=SECRET",
                request_id="",
                status=400,
                seconds=9.0,
                cost=PRICE,
                again_in=3.0 if kind is Kind.SERVER_ERROR else None,
            ),
            number,
        )
        if kind is None:
            path = f"{number}.png"
            saved = ResultSaved(key=f"k{number}", path=path, items=1, reused=False, warning="")
            progress.absorb(saved, number)
    progress.absorb(PaceChanged(rate=1.5, wait=43.0), 40.0)
    stop = Stopping(reason=StopReason.MAX_COST, message="--max-cost is used up", in_flight=10)
    progress.absorb(stop, 40.0)
    return progress.view(40.0)


def painted(view: View, *, width: int, encoding: str = "utf-8", colour: bool = False) -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    console = Terminal(
        file=file,
        force_terminal=True,
        width=width,
        color_system="standard" if colour else None,
        legacy_windows=False,
    )
    console.print(Painting(view))
    file.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("width", [40, 57, 80, 100, 200])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_painting_fits_its_width_and_tells_all(width: int, encoding: str) -> None:
    text = painted(busy_view(), width=width, encoding=encoding)
    lines = text.splitlines()

    assert max(map(len, lines)) <= width
    assert len(lines) <= 16
    assert "\x1b" not in text
    for told in (
        " 10%",
        "127 of 1,204 saved (100 reused)",
        "1 failed",
        "3 invalid",
        "1 uncertain",
        "1,072 pending",
        "10 in flight",
        "1 to be sent again",
        "pace 1.5/s",
        "sandbox: nothing is really paid",
        "$1.485 spent",
        "$0.055 perhaps paid",
        "left under the caps",
        "the gateway wants a pause: 43 s more",
        "stopping: --max-cost is used up",
    ):
        assert told in text
    assert (text.isascii()) == (encoding == "ascii")


def test_painting_shows_hostile_text_as_text() -> None:
    text = painted(busy_view(), width=100)
    coloured = painted(busy_view(), width=100, colour=True)

    assert r"deep/in a/folder/[red]\x1b[2J\nécran.jpg: moderated: bad words\nat https://h/x" in text
    assert "SECRET" not in text
    assert "\x1b[2J" not in coloured
    assert "\x1b[31m" in coloured


def test_painting_shows_one_failure_where_it_is_narrow() -> None:
    assert "moderated" not in painted(busy_view(), width=40)
    assert "server error (again" in painted(busy_view(), width=57)


def test_painting_before_the_plan_counts_rows() -> None:
    progress = Progress()
    progress.absorb(Planning(rows=40_000), 0.0)
    assert painted(progress.view(0.0), width=40) == "reading the manifest: 40,000 rows\n"


def test_painting_of_an_empty_plan_is_whole() -> None:
    progress = Progress()
    empty = Estimate(edits=0, cost=MicroUSD(0), left=None)
    progress.absorb(Planned(items=ItemCounts(), estimate=empty, to_place=0), 0.0)
    assert "100%" in painted(progress.view(0.0), width=80)


def test_failure_words_keep_the_end_of_a_long_name() -> None:
    failure = Failure("a" * 50 + "/last.jpg", Kind.DENIED, "", None)
    assert failure_words(failure, most_name=20) == (
        f"...{'a' * 8}/last.jpg: denied: the key was refused"
    )


def terminal() -> tuple[Terminal, io.StringIO]:
    file = io.StringIO()
    return Terminal(file=file, force_terminal=True, width=80, height=24, color_system=None), file


def bad_row(line: int) -> RowRefused:
    return RowRefused(where=f"m.csv:{line}", image="[red]\x1b[2J.jpg", reason="empty", advice="")


def test_screen_draws_four_times_a_second_at_most(hand: Hand) -> None:
    console, file = terminal()
    with Screen(console, clock=hand, painter=False) as screen:
        screen(PLANNED)
        drawings = 0
        for _ in range(1000):
            before = len(file.getvalue())
            screen.tick()
            drawings += len(file.getvalue()) > before
            hand.now += 0.01

    assert 35 <= drawings <= 40


def test_screen_prints_bad_rows_above_and_bounds_them(hand: Hand) -> None:
    console, file = terminal()
    with Screen(console, clock=hand, painter=False) as screen:
        for line in range(500):
            screen(bad_row(line))
        screen.tick()
        screen(PLANNED)
        hand.now += 1
        screen.tick()
    text = file.getvalue()

    assert text.count(r"[red]\x1b[2J.jpg: not sent: empty") == 20
    assert text.count("... and 480 more bad rows: see `qwenbatch check` or the log file") == 1
    assert "\x1b[2J" not in text.replace(r"\x1b[2J", "")
    assert "100 of 1,204 saved" in text


def test_screen_tells_what_came_last_and_gives_the_cursor_back(hand: Hand) -> None:
    console, file = terminal()
    with Screen(console, clock=hand, painter=False) as screen:
        screen.tick()
        screen(bad_row(7))

    text = file.getvalue()
    assert "m.csv:7" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_screen_draws_from_its_own_thread() -> None:
    drawn = threading.Event()

    class Seen(io.StringIO):
        def write(self, text: str) -> int:
            if "100 of 1,204 saved" in text:
                drawn.set()
            return super().write(text)

    console = Terminal(file=Seen(), force_terminal=True, width=80, height=24)
    threads = threading.active_count()
    with Screen(console, clock=lambda: 0.0) as screen:
        screen(PLANNED)
        assert drawn.wait(10)
    assert threading.active_count() == threads


def fill(pipe: int) -> None:
    os.set_blocking(pipe, False)
    with suppress(BlockingIOError):
        while True:
            os.write(pipe, b"x" * 65_536)
    os.set_blocking(pipe, True)


def test_screen_whose_terminal_stands_still_does_not_hold_up_the_run(hand: Hand) -> None:
    reader, writer = os.pipe()
    with (
        os.fdopen(reader, "rb", buffering=0) as rest,
        os.fdopen(writer, "w", encoding="utf-8") as file,
    ):
        console = Terminal(file=file, force_terminal=True, width=80, height=24)
        with Screen(console, clock=hand, painter=False) as screen:
            fill(writer)
            screen(PLANNED)
            painter = threading.Thread(target=screen.tick)
            painter.start()
            for line in range(1000):
                screen(bad_row(line))
            assert painter.is_alive()

            assert rest.read(1 << 20)
            painter.join(10)
            assert not painter.is_alive()
        assert b"100 of 1,204 saved" in rest.read(1 << 20)


def test_screen_outlives_its_terminal(hand: Hand) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    file = os.fdopen(writer, "w", encoding="utf-8")
    console = Terminal(file=file, force_terminal=True, width=80, height=24)
    with Screen(console, clock=hand, painter=False) as screen:
        screen(PLANNED)
        screen.tick()

    assert screen.failure is not None
    assert "Broken pipe" in screen.failure
    with pytest.raises(BrokenPipeError):
        file.close()


def test_screen_can_show_only_on_a_terminal_that_redraws() -> None:
    assert can_show(terminal()[0])
    assert not can_show(Terminal(file=io.StringIO()))
    dumb = Terminal(file=io.StringIO(), force_terminal=True, _environ={"TERM": "dumb"})
    assert not can_show(dumb)
