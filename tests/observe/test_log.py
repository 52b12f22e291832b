from __future__ import annotations

import io
import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import fields, replace

from qwenbatch.core.events import (
    AttemptEnded,
    AttemptSent,
    Event,
    FetchFailed,
    PaceChanged,
    Planned,
    Planning,
    Proxied,
    ResultLost,
    ResultSaved,
    RowRefused,
    RowWarned,
    RunClosed,
    RunOpened,
    Stopping,
)
from qwenbatch.core.money import MicroUSD
from qwenbatch.core.stops import ExitStatus, StopReason
from qwenbatch.core.summary import Cost, EditCounts, Estimate, ItemCounts, Summary
from qwenbatch.core.verdicts import Kind
from qwenbatch.observe.log import EventLog, LogFormat, json_line, text_line

if TYPE_CHECKING:
    from tests.observe.conftest import Hand

TIME = datetime(2026, 3, 4, 14, 0, 0, 123_456, tzinfo=timezone(timedelta(hours=2)))
ESTIMATE = Estimate(edits=2, cost=MicroUSD(110_000), left=None)
SUMMARY = Summary(
    run="3f2a",
    stopped_by=StopReason.MAX_COST,
    exit_status=ExitStatus.CAP,
    items=ItemCounts(total=2, saved=1, pending=1),
    edits=EditCounts(attempts=1, paid=1),
    cost=Cost(spent=MicroUSD(55_000), ledger_total=MicroUSD(1)),
    failures={"moderated": 1},
    seconds=1.5,
    estimate=ESTIMATE,
)
ENDED = AttemptEnded(
    key="ab" * 32,
    attempt="a1",
    image="https://h/a.jpg?sig=SECRET",
    kind=Kind.CUT_OFF,
    message='broke off "there"\nat https://h/x?sig=SECRET',
    request_id="r1",
    status=None,
    seconds=12.5,
    cost=MicroUSD(55_000),
    again_in=None,
)
EVERY: list[Event] = [
    RunOpened(run="3f2a", source="m.csv", out="out/m", gateway="https://g/e?k=1", sandbox=True),
    Proxied(proxies=("http://proxy:3128",)),
    Planning(rows=3),
    RowRefused(where="m.csv:3", image="a.jpg", reason="empty", advice="drop it"),
    RowWarned(where="m.csv:4", image="b.jpg", warning="24 megapixels"),
    Planned(items=ItemCounts(total=2, pending=2), estimate=ESTIMATE, to_place=0),
    AttemptSent(key="ab" * 32, attempt="a1", image="a.jpg"),
    ENDED,
    PaceChanged(rate=1.5, wait=0.0),
    FetchFailed(key="ab" * 32, url="https://oss/x.png?Expires=1", reason="404", again_in=3.0),
    ResultSaved(key="ab" * 32, path="a.png", items=1, reused=False, warning=""),
    ResultLost(key="ab" * 32, path="a.png", reason="404"),
    Stopping(reason=StopReason.MAX_COST, message="enough", in_flight=1),
    RunClosed(summary=SUMMARY),
]


def test_log_is_shown_every_event_here() -> None:
    assert {type(event) for event in EVERY} == set(get_args(Event))


@pytest.mark.parametrize("event", EVERY, ids=lambda event: type(event).__name__)
def test_json_line_holds_every_field(event: Event) -> None:
    record: dict[str, Any] = json.loads(json_line(event, TIME))

    assert list(record) == ["v", "time", "event", *(field.name for field in fields(event))]
    assert record["v"] == 1
    assert record["time"] == "2026-03-04T12:00:00.123Z"
    assert record["event"].replace("_", "") == type(event).__name__.lower()
    assert record["event"].count("_") == sum(map(str.isupper, type(event).__name__)) - 1
    assert "?" not in json.dumps(record)


def test_json_line_tells_values_as_machines_want_them() -> None:
    record = json.loads(json_line(ENDED, TIME))

    assert record["kind"] == "cut_off"
    assert record["cost"] == 0.055
    assert record["status"] is None
    assert record["image"] == "https://h/a.jpg"
    assert record["message"] == 'broke off "there"\nat https://h/x'


def test_json_line_tells_what_lies_inside_an_event() -> None:
    summary = json.loads(json_line(RunClosed(summary=SUMMARY), TIME))["summary"]

    assert set(summary) == {field.name for field in fields(SUMMARY)}
    assert summary["exit_status"] == 5
    assert summary["stopped_by"] == "max_cost"
    assert summary["cost"] == {
        "spent": 0.055,
        "exposure": 0.0,
        "maybe_twice": 0.0,
        "ledger_total": 0.000001,
    }
    assert summary["estimate"] == {"edits": 2, "cost": 0.11, "left": None}
    assert summary["failures"] == {"moderated": 1}


def test_json_line_has_no_number_that_json_cannot_hold() -> None:
    line = json_line(PaceChanged(rate=float("inf"), wait=float("nan")), TIME)
    assert json.loads(line)["rate"] is None
    assert json.loads(line)["wait"] is None


@given(st.text(st.characters(), max_size=100), st.sampled_from(["utf-8", "ascii", "latin-1"]))
def test_lines_of_hostile_text_stay_one_harmless_line(text: str, encoding: str) -> None:
    event = replace(ENDED, image=text.replace("/", ""), message="")

    for line in (json_line(event, TIME, encoding), text_line(event, TIME, encoding)):
        assert line.splitlines() == [line]
        assert not any(ord(sign) < 32 or 127 <= ord(sign) < 160 for sign in line)
        line.encode(encoding)
    assert json.loads(json_line(event, TIME, encoding))["image"] == event.image


def test_text_line_quotes_what_needs_it_and_leaves_out_what_is_empty() -> None:
    assert text_line(ENDED, TIME) == (
        "2026-03-04T12:00:00.123Z warning attempt_ended "
        f"key={'ab' * 32} attempt=a1 image=https://h/a.jpg kind=cut_off "
        r'message="broke off \"there\"\nat https://h/x" request_id=r1 seconds=12.5 cost=0.055'
        " items=1"
    )


def test_text_line_tells_what_lies_inside_by_dotted_names() -> None:
    line = text_line(EVERY[5], TIME)
    assert " info planned items.total=2 items.saved=0 " in line
    assert line.endswith(
        " items.pending=2 estimate.edits=2 estimate.cost=0.11 to_place=0 exposure=0.0"
    )


def test_text_is_cut_at_a_bound() -> None:
    line = json_line(replace(ENDED, message="x" * 100_000), TIME)
    assert len(line) < 5000


@pytest.mark.parametrize("log_format", LogFormat)
def test_log_appends_and_flushes_each_event(hand: Hand, log_format: LogFormat) -> None:
    raw = io.BytesIO(b"before\n")
    raw.seek(0, io.SEEK_END)
    log = EventLog(io.TextIOWrapper(raw, encoding="utf-8"), wall=hand.wall, log_format=log_format)

    for number, event in enumerate(EVERY, 2):
        log(event)
        assert len(raw.getvalue().splitlines()) == number

    assert raw.getvalue().startswith(b"before\n")
    assert log.failure is None


def test_log_that_cannot_be_written_ends_and_says_so_once(hand: Hand) -> None:
    full = open("/dev/full", "w", encoding="utf-8")  # noqa: SIM115, PTH123 - closing it fails
    log = EventLog(full, wall=hand.wall, log_format=LogFormat.JSON)

    log(EVERY[0])
    first = log.failure
    log(EVERY[1])

    assert first is not None
    assert "No space left on device" in first
    assert log.failure == first
    with pytest.raises(OSError, match="No space left"):
        full.close()


def test_log_whose_file_was_closed_does_not_break_the_run(hand: Hand) -> None:
    file = io.StringIO()
    file.close()
    log = EventLog(file, wall=hand.wall)

    log(EVERY[0])

    assert log.failure is not None
