from __future__ import annotations

import pytest
from msgspec.structs import replace

from qwenbatch.core.events import AttemptEnded, AttemptSent, Event, PaceChanged, Planned, RunOpened
from qwenbatch.core.money import MicroUSD
from qwenbatch.core.summary import Estimate, ItemCounts
from qwenbatch.core.verdicts import Kind
from qwenbatch.observe.bounds import Bound
from qwenbatch.observe.progress import Progress
from qwenbatch.observe.words import bound_words

PRICE = MicroUSD(55_000)
OPENED = RunOpened(
    run="r",
    source="m",
    out="o",
    gateway="g",
    sandbox=False,
    concurrency=2,
    rate=2.0,
    ends_in=90.0,
)


def planned(edits: int, left: int | None = None) -> Planned:
    return Planned(
        items=ItemCounts(total=edits, pending=edits),
        estimate=Estimate(
            edits=edits,
            cost=MicroUSD(edits * PRICE),
            left=None if left is None else MicroUSD(left * PRICE),
        ),
        to_place=0,
    )


def sent(number: int) -> AttemptSent:
    return AttemptSent(key=f"k{number}", attempt=f"a{number}", image="i")


def ended(number: int, kind: Kind | None, again_in: float | None = None) -> AttemptEnded:
    return AttemptEnded(
        key=f"k{number}",
        attempt=f"a{number}",
        image="i",
        kind=kind,
        message="",
        request_id="",
        status=None,
        seconds=1.0,
        cost=PRICE,
        again_in=again_in,
    )


def paid(number: int) -> list[Event]:
    return [sent(number), ended(number, None)]


@pytest.mark.parametrize(
    ("happened", "bound", "words"),
    [
        ([planned(9), sent(1)], Bound.RATE, "--rate allows 2.0/s"),
        ([planned(9), sent(1), sent(2)], Bound.CONCURRENCY, "--concurrency allows 2 in flight"),
        (
            [planned(9), PaceChanged(rate=1.1, wait=0.0)],
            Bound.THROTTLE,
            "the gateway throttles: it bears 1.1/s of 2.0/s",
        ),
        ([planned(9), PaceChanged(rate=1.97, wait=0.0)], Bound.RATE, "--rate"),
        ([planned(9), PaceChanged(rate=1.1, wait=40.0)], Bound.GATE, "a pause of 30 s"),
        ([planned(9, left=1), sent(1)], Bound.CAPS, "wait for what is in flight"),
        ([planned(9, left=2), sent(1)], Bound.RATE, "--rate"),
        (
            [planned(1), sent(1), ended(1, Kind.SERVER_ERROR, 60.0)],
            Bound.RETRIES,
            "waits to be sent again",
        ),
        (
            [planned(9), *paid(1), *paid(2), *paid(3), *paid(4), *paid(5)],
            Bound.PLACEMENT,
            "5 paid results",
        ),
    ],
)
def test_bound_is_what_the_next_start_waits_for(
    happened: list[Event], bound: Bound, words: str
) -> None:
    progress = Progress()
    for event in (OPENED, *happened):
        progress.absorb(event, 0.0)
    view = progress.view(10.0)
    assert view.bound is bound
    assert words in bound_words(view, bound)
    assert view.deadline == 80.0


def test_bound_is_none_where_nothing_is_left_to_start() -> None:
    for last in (sent(2), ended(1, Kind.CUT_OFF)):
        progress = Progress()
        for event in (OPENED, planned(2), sent(1), sent(2), last):
            progress.absorb(event, 0.0)
        assert progress.view(1.0).bound is None
    progress = Progress()
    for event in (replace(OPENED, concurrency=0, ends_in=None), planned(2)):
        progress.absorb(event, 0.0)
    assert progress.view(1.0).bound is None
    assert progress.view(1.0).deadline is None


def test_exposure_grows_with_each_attempt_that_ends_uncertain() -> None:
    progress = Progress()
    for event in (OPENED, planned(9, left=5)):
        progress.absorb(event, 0.0)
    for number, kind in enumerate((Kind.GAVE_UP, Kind.CUT_OFF, Kind.UNREADABLE), 1):
        progress.absorb(sent(number), 0.0)
        progress.absorb(ended(number, kind), 0.0)
        view = progress.view(0.0)
        assert (view.exposure, view.left) == (number * PRICE, (5 - number) * PRICE)
        assert view.spent == 0
