from __future__ import annotations

import json

from qwenbatch.core.money import MicroUSD
from qwenbatch.core.stops import ExitStatus, StopReason
from qwenbatch.core.summary import Cost, EditCounts, Estimate, ItemCounts, Summary

DESIGN = (
    '{"schema": 1, "run": "…", "stopped_by": null, "exit_status": 0, "items": {"total": 0,'
    ' "saved": 0, "reused": 0, "failed": 0, "invalid": 0, "uncertain": 0, "lost": 0,'
    ' "pending": 0}, "edits": {"attempts": 0, "paid": 0}, "cost": {"currency": "USD",'
    ' "spent": 0.0, "exposure": 0.0, "maybe_twice": 0.0, "ledger_total": 0.0},'
    ' "failures": {"moderated": 0}, "seconds": 0.0}'
)


def test_summary_prints_exactly_the_keys_that_are_fixed() -> None:
    summary = Summary(
        run="…",
        stopped_by=None,
        exit_status=ExitStatus.SAVED,
        items=ItemCounts(),
        edits=EditCounts(),
        cost=Cost(),
        failures={"moderated": 0},
    )
    assert json.dumps(summary.to_json(), ensure_ascii=False) == DESIGN


def test_summary_of_a_check_adds_the_estimate() -> None:
    plain = Summary(
        run="r",
        stopped_by=StopReason.MAX_COST,
        exit_status=ExitStatus.CAP,
        items=ItemCounts(total=2, saved=1, pending=1),
        edits=EditCounts(attempts=3, paid=1),
        cost=Cost(spent=MicroUSD(55_000), exposure=MicroUSD(1)),
        failures={"throttled": 1, "denied": 2},
        seconds=1.23456,
        estimate=Estimate(edits=4, cost=MicroUSD(220_000), left=None),
    ).to_json()
    assert list(plain) == [*json.loads(DESIGN), "estimate"]
    assert plain["estimate"] == {"edits": 4, "cost": 0.22, "left": None}
    assert plain["stopped_by"] == "max_cost"
    assert plain["exit_status"] == 5
    assert plain["cost"]["spent"] == 0.055
    assert plain["cost"]["exposure"] == 0.000001
    assert list(plain["failures"]) == ["denied", "throttled"]
    assert plain["seconds"] == 1.235


def test_summary_estimate_tells_what_is_left_in_dollars() -> None:
    summary = Summary(
        run="r",
        stopped_by=None,
        exit_status=ExitStatus.SAVED,
        items=ItemCounts(),
        edits=EditCounts(),
        cost=Cost(),
        estimate=Estimate(edits=0, cost=MicroUSD(0), left=MicroUSD(5_000_000)),
    )
    assert summary.to_json()["estimate"]["left"] == 5.0
