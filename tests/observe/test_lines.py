from __future__ import annotations

import io
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from qwenbatch.core.events import (
    AttemptEnded,
    AttemptSent,
    PaceChanged,
    Planned,
    Planning,
    ResultSaved,
    RowRefused,
    RunClosed,
    RunOpened,
    Stopping,
)
from qwenbatch.core.money import MicroUSD
from qwenbatch.core.stops import ExitStatus, StopReason
from qwenbatch.core.summary import Cost, EditCounts, Estimate, ItemCounts, Summary
from qwenbatch.core.verdicts import Kind
from qwenbatch.observe.lines import Lines

if TYPE_CHECKING:
    from tests.observe.conftest import Hand

PRICE = MicroUSD(55_000)
OPENED = RunOpened(
    run="3f2a",
    source="photos.csv",
    out="out/photos",
    gateway="https://gw/edit?key=SECRET",
    sandbox=False,
)
PLANNED = Planned(
    items=ItemCounts(total=1204, invalid=2, pending=1202),
    estimate=Estimate(edits=1202, cost=MicroUSD(1202 * PRICE), left=MicroUSD(100_000_000)),
    to_place=0,
)


def attempt(number: int) -> AttemptSent:
    return AttemptSent(key=f"k{number}", attempt=f"a{number}", image="a.jpg")


def end(number: int, kind: Kind | None) -> AttemptEnded:
    return AttemptEnded(
        key=f"k{number}",
        attempt=f"a{number}",
        image="a.jpg",
        kind=kind,
        message="",
        request_id="",
        status=200,
        seconds=9.0,
        cost=PRICE,
        again_in=None,
    )


def save(number: int) -> ResultSaved:
    return ResultSaved(key=f"k{number}", path="a.png", items=1, reused=False, warning="")


def test_lines_tell_start_plan_and_stop_at_once(hand: Hand) -> None:
    out = io.StringIO()
    lines = Lines(out, clock=hand, wall=hand.wall)

    lines(OPENED)
    lines(replace(OPENED, sandbox=True))
    lines(Planning(rows=1204))
    hand.now += 5
    lines(PLANNED)
    lines(Stopping(reason=StopReason.MAX_COST, message="--max-cost reached", in_flight=31))

    assert out.getvalue().splitlines() == [
        "12:00:00 run 3f2a: photos.csv to out/photos, by https://gw/edit",
        "12:00:00 run 3f2a: photos.csv to out/photos, in the sandbox, where nothing is really paid",
        (
            "12:00:05 planned: 1,204 items, 0 saved before, 2 invalid; "
            "1,202 edits to send, $66.11 ($100.00 left under the caps)"
        ),
        "12:00:05 stopping (max_cost): --max-cost reached; 31 in flight are awaited",
    ]


def test_lines_tell_how_it_stands_once_a_minute(hand: Hand) -> None:
    out = io.StringIO()
    lines = Lines(out, clock=hand, wall=hand.wall)
    lines(PLANNED)
    for number in range(120):
        hand.now += 0.5
        lines(attempt(number))
        kind = {7: Kind.MODERATED, 8: Kind.GAVE_UP}.get(number)
        if number < 110:
            lines(end(number, kind))
        if number < 110 and kind is None:
            lines(save(number))
    before = out.getvalue().splitlines()
    hand.now += 59
    lines.tick()
    lines.tick()
    hand.now += 1
    lines(PaceChanged(rate=1.0, wait=20.0))
    lines.tick()

    told = out.getvalue().splitlines()
    assert before[1:] == [
        (
            "12:01:00 108 of 1,204 items saved, 1 failed, 2 invalid, 1 uncertain, 10 in flight, "
            "1.8/s, $5.94 spent, $0.055 perhaps paid, about 10 min left"
        ),
    ]
    assert len(told) == 3
    assert told[2].startswith("12:02:00 108 of 1,204 items saved")
    assert "the gateway wants a pause of 20 s" in told[2]


def test_lines_tell_of_a_long_plan_that_it_goes_on(hand: Hand) -> None:
    out = io.StringIO()
    lines = Lines(out, clock=hand, wall=hand.wall)

    hand.now += 61
    lines(Planning(rows=40_000))

    assert out.getvalue() == "12:01:01 reading the manifest: 40,000 rows so far\n"


def test_lines_bound_the_bad_rows(hand: Hand) -> None:
    out = io.StringIO()
    lines = Lines(out, clock=hand, wall=hand.wall)
    bad = RowRefused(where="m.csv:3", image="[red]\x1b[2J\n.jpg", reason="é", advice="")

    for _ in range(500):
        lines(bad)
    lines(PLANNED)
    lines(bad)
    summary = Summary(
        run="r",
        stopped_by=None,
        exit_status=ExitStatus.UNFINISHED,
        items=ItemCounts(),
        edits=EditCounts(),
        cost=Cost(),
    )
    lines(RunClosed(summary=summary))

    told = out.getvalue().splitlines()
    assert told[0] == r"12:00:00 m.csv:3: [red]\x1b[2J\n.jpg: not sent: é"
    assert told[20].endswith("... and 480 more bad rows: see `qwenbatch check` or the log file")
    assert told[21].startswith("12:00:00 planned: ")
    assert told[22].endswith("... and 1 more bad row: see `qwenbatch check` or the log file")
    assert len(told) == 23


def test_lines_write_what_the_stream_can_hold(hand: Hand) -> None:
    raw = io.BytesIO()
    lines = Lines(io.TextIOWrapper(raw, encoding="ascii"), clock=hand, wall=hand.wall)

    lines(RowRefused(where="m.csv:3", image="caf\u00e9\udcff.jpg", reason="empty", advice=""))

    assert raw.getvalue() == b"12:00:00 m.csv:3: caf\\xe9\\udcff.jpg: not sent: empty\n"
    assert lines.failure is None


def test_lines_outlive_their_stream(hand: Hand) -> None:
    full = open("/dev/full", "w", encoding="utf-8")  # noqa: SIM115, PTH123 - closing it fails
    lines = Lines(full, clock=hand, wall=hand.wall)

    lines(OPENED)
    lines(PLANNED)

    assert lines.failure is not None
    assert "No space left on device" in lines.failure
    with pytest.raises(OSError, match="No space left"):
        full.close()


def test_lines_and_log_do_without_rich() -> None:
    code = (
        "import sys, qwenbatch.observe.lines, qwenbatch.observe.log, qwenbatch.observe.fanout;"
        "print([name for name in sys.modules if name.split('.')[0] in {'rich', 'asyncio'}])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
