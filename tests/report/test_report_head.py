"""What the page says of the whole, while a run goes on and after it."""

from __future__ import annotations

from msgspec.structs import replace

from qwenbatch.core.money import NOTHING, MicroUSD
from qwenbatch.core.standing import Holder, LedgerStanding, RunRecord
from qwenbatch.core.summary import ItemCounts
from qwenbatch.wiring.report_head import page_head

RUN = RunRecord(
    name="r",
    source="/shop/m.csv",
    started_at=1_767_323_045.0,
    ended_at=None,
    saved=None,
    total=None,
    attempts=2,
    spent=MicroUSD(55_000),
    stopped_by=None,
    exit_status=None,
)
DEAD = LedgerStanding(
    id="i",
    service="pixazo",
    items=ItemCounts(total=3, saved=1, uncertain=2),
    failures={},
    edits={},
    to_place=0,
    spent=MicroUSD(55_000),
    reserved=MicroUSD(110_000),
    uncertain=NOTHING,
    maybe_twice=NOTHING,
    runs=(RUN, replace(RUN, ended_at=RUN.started_at + 5)),
)


def test_report_head_counts_what_a_dead_run_left_in_flight_as_exposure() -> None:
    head = page_head(DEAD, title="t", manifests=["m.csv"], shown=3, now=RUN.started_at)
    assert (head.running, head.spent, head.exposure, head.twice) == (False, "$0.055", "$0.11", "")
    assert head.runs[0].ended.startswith("did not end")
    assert (head.runs[0].source, head.runs[0].seconds, head.runs[1].seconds) == ("m.csv", None, 5)
    assert (head.counts["uncertain"], head.total, head.sandbox) == (2, 3, False)


def test_report_head_of_a_run_that_goes_on_has_no_exposure() -> None:
    live = replace(DEAD, live=Holder(), in_flight=2, service="sandbox")
    head = page_head(live, title="t", manifests=["m.csv"], shown=3, now=RUN.started_at)
    assert (head.running, head.exposure, head.sandbox) == (True, "", True)
    assert head.runs[0].ended == "running"
