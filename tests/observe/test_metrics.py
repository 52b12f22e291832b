from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from qwenbatch.core.events import AttemptEnded, AttemptSent, Planned, RunClosed, RunOpened
from qwenbatch.core.money import MicroUSD
from qwenbatch.core.stops import ExitStatus, StopReason
from qwenbatch.core.summary import Cost, EditCounts, Estimate, ItemCounts, Summary
from qwenbatch.observe.metrics import EVERY, Metrics

if TYPE_CHECKING:
    from pathlib import Path

    from tests.observe.conftest import Hand

OUT = '/data/"out"\\x'
OPENED = RunOpened(run="r", source="m.csv", out=OUT, gateway="http://g", sandbox=False)
PLANNED = Planned(
    items=ItemCounts(total=3, pending=2, saved=1),
    estimate=Estimate(edits=2, cost=MicroUSD(110_000), left=MicroUSD(200_000)),
    to_place=0,
)
SENT = AttemptSent(key="ab", attempt="a1", image="a.png")
PAID = AttemptEnded(
    key="ab",
    attempt="a1",
    image="a.png",
    kind=None,
    message="",
    request_id="",
    status=200,
    seconds=1.0,
    cost=MicroUSD(55_000),
    again_in=None,
)
SUMMARY = Summary(
    run="r",
    stopped_by=StopReason.BUDGET,
    exit_status=ExitStatus.CAP,
    items=ItemCounts(total=3, saved=2, failed=1),
    edits=EditCounts(attempts=2, paid=1),
    cost=Cost(spent=MicroUSD(55_000), maybe_twice=MicroUSD(1), ledger_total=MicroUSD(110_000)),
    failures={"moderated": 1},
)


def figures(path: Path) -> dict[str, float]:
    """Every sample, by its name and its label beside `out`."""
    found = {}
    for family in text_string_to_metric_families(path.read_text()):
        for sample in family.samples:
            assert sample.labels.pop("out") == OUT
            (label,) = sample.labels.values() or ("",)
            found[f"{sample.name}{label and ':'}{label}"] = sample.value
    return found


def opened(path: Path, hand: Hand) -> Metrics:
    return Metrics(path, out=OUT, clock=hand, wall=lambda: 5000.0 + hand.now)


def test_metrics_say_how_the_run_stands_while_it_runs(tmp_path: Path, hand: Hand) -> None:
    path = tmp_path / "qwenbatch.prom"
    metrics = opened(path, hand)
    for event in (OPENED, PLANNED, SENT, PAID):
        metrics(event)
    assert figures(path)["qwenbatch_attempts_total"] == 0
    hand.now += EVERY
    metrics.tick()
    found = figures(path)
    assert found["qwenbatch_attempts_total"] == 1
    assert found["qwenbatch_spent_usd_total"] == 0.055
    assert found["qwenbatch_left_usd"] == 0.145
    assert found["qwenbatch_items:pending"] == 2
    assert found["qwenbatch_run_last_seen_time_seconds"] == 5000 + hand.now
    assert "qwenbatch_run_exit_status" not in found


def test_metrics_say_how_the_run_ended(tmp_path: Path, hand: Hand) -> None:
    path = tmp_path / "qwenbatch.prom"
    metrics = opened(path, hand)
    metrics(OPENED)
    hand.now += 7
    metrics(RunClosed(summary=SUMMARY))
    found = figures(path)
    assert found["qwenbatch_run_exit_status"] == 5
    assert found["qwenbatch_run_stopped:budget"] == 1
    assert found["qwenbatch_run_stopped:breaker"] == 0
    assert found["qwenbatch_failures:moderated"] == 1
    assert found["qwenbatch_items:saved"] == 2
    assert found["qwenbatch_ledger_paid_usd"] == 0.11
    assert found["qwenbatch_run_end_time_seconds"] == 5000 + hand.now


def test_metrics_replace_the_file_as_a_whole(tmp_path: Path, hand: Hand) -> None:
    path = tmp_path / "qwenbatch.prom"
    path.write_text("old")
    with path.open() as reading:
        opened(path, hand)(OPENED)
        assert reading.read() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["qwenbatch.prom"]


def test_metrics_that_cannot_be_written_end_and_say_so(tmp_path: Path, hand: Hand) -> None:
    metrics = opened(tmp_path / "missing" / "qwenbatch.prom", hand)
    metrics(OPENED)
    assert metrics.failure is not None
    assert "qwenbatch.prom" in metrics.failure
    (tmp_path / "missing").mkdir()
    metrics(RunClosed(summary=SUMMARY))
    assert not list((tmp_path / "missing").iterdir())
