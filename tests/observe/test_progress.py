from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple

from qwenbatch.core.events import (
    AttemptEnded,
    AttemptSent,
    Event,
    FetchFailed,
    PaceChanged,
    Planned,
    Planning,
    ResultLost,
    ResultSaved,
    RowRefused,
    RowWarned,
    RunClosed,
    Stopping,
)
from qwenbatch.core.money import MicroUSD
from qwenbatch.core.stops import ExitStatus, StopReason
from qwenbatch.core.summary import Cost, EditCounts, Estimate, ItemCounts, Summary
from qwenbatch.core.verdicts import Kind
from qwenbatch.observe.progress import LAST_FAILURES, Progress

if TYPE_CHECKING:
    from qwenbatch.observe.view import View

PRICE = MicroUSD(55_000)


def planned(items: ItemCounts, edits: int, left: int | None = None) -> Planned:
    estimate = Estimate(
        edits=edits,
        cost=MicroUSD(edits * PRICE),
        left=None if left is None else MicroUSD(left),
    )
    return Planned(items=items, estimate=estimate, to_place=0)


def sent(number: int, *, again: int = 0) -> AttemptSent:
    return AttemptSent(key=f"k{number}", attempt=f"a{number}.{again}", image=f"{number}.jpg")


def ended(
    number: int,
    kind: Kind | None = None,
    *,
    again: int = 0,
    again_in: float | None = None,
    cost: int = PRICE,
    items: int = 1,
) -> AttemptEnded:
    return AttemptEnded(
        key=f"k{number}",
        attempt=f"a{number}.{again}",
        image=f"{number}.jpg",
        kind=kind,
        message="words",
        request_id="r",
        status=200,
        seconds=1.0,
        cost=MicroUSD(cost),
        again_in=again_in,
        items=items,
    )


def saved(number: int, *, items: int = 1, reused: bool = False) -> ResultSaved:
    return ResultSaved(key=f"k{number}", path="x.png", items=items, reused=reused, warning="")


def folded(*events: Event, at: float = 0.0, now: float = 0.0) -> View:
    progress = Progress()
    for event in events:
        progress.absorb(event, at)
    return progress.view(now)


numbers = st.integers(0, 5)
counts = st.builds(
    lambda parts, reused: ItemCounts(
        total=sum(parts),
        saved=parts[0],
        reused=min(reused, parts[0]),
        failed=parts[1],
        invalid=parts[2],
        uncertain=parts[3],
        lost=parts[4],
        pending=parts[5],
    ),
    st.lists(st.integers(0, 9), min_size=6, max_size=6),
    st.integers(0, 9),
)
waits = st.none() | st.floats(0, 100)
events = st.one_of(
    st.builds(Planning, rows=st.integers(0, 100)),
    st.builds(RowRefused, where=st.text(), image=st.text(), reason=st.text(), advice=st.text()),
    st.builds(RowWarned, where=st.text(), image=st.text(), warning=st.text()),
    st.builds(planned, counts, st.integers(0, 50), st.none() | st.integers(0, 10**7)),
    st.builds(sent, numbers, again=numbers),
    st.builds(
        ended,
        numbers,
        st.none() | st.sampled_from(Kind),
        again=numbers,
        again_in=waits,
        cost=st.integers(0, 10**6),
    ),
    st.builds(PaceChanged, rate=st.floats(0, 10), wait=st.floats(0, 100)),
    st.builds(FetchFailed, key=st.text(), url=st.text(), reason=st.text(), again_in=waits),
    st.builds(saved, numbers, items=st.integers(0, 9), reused=st.booleans()),
    st.builds(ResultLost, key=st.text(), path=st.text(), reason=st.text()),
    st.builds(
        Stopping,
        reason=st.sampled_from(StopReason),
        message=st.text(),
        in_flight=st.integers(0, 9),
    ),
)


@given(st.lists(st.tuples(events, st.floats(0, 90)), max_size=60))
def test_progress_counts_are_never_negative_and_sum_to_the_total(
    happened: list[tuple[Event, float]],
) -> None:
    progress, now = Progress(), 0.0
    for event, later in happened:
        now += later
        progress.absorb(event, now)
        view = progress.view(now)
        items = view.items
        assert min(astuple(items)) >= 0
        assert items.reused <= items.saved
        assert items.total == (
            items.saved
            + items.failed
            + items.invalid
            + items.uncertain
            + items.lost
            + items.pending
        )
        numbers_shown = (
            view.in_flight,
            view.waiting,
            view.attempts,
            view.spent,
            view.exposure,
            view.projected or 0,
            view.left or 0,
            view.gate,
            view.eta or 0,
        )
        assert min(numbers_shown) >= 0
        assert len(view.failures) <= LAST_FAILURES


def test_progress_counts_bad_rows_before_the_plan() -> None:
    refused = RowRefused(where="m.csv:3", image="a.jpg", reason="empty", advice="")

    view = folded(Planning(rows=7), refused, refused)

    assert (view.rows, view.items) == (7, ItemCounts(total=2, invalid=2))
    assert view.eta is None
    assert view.projected is None


def test_progress_follows_an_edit_to_its_item() -> None:
    before = planned(ItemCounts(total=3, pending=3), edits=3, left=1_000_000)

    flying = folded(before, sent(1), sent(2))
    assert (flying.in_flight, flying.attempts, flying.spent) == (2, 2, 0)

    done = folded(before, sent(1), sent(2), ended(1), saved(1, items=2))
    assert done.items == ItemCounts(total=3, saved=2, pending=1)
    assert (done.in_flight, done.spent) == (1, PRICE)
    assert done.left == 1_000_000 - PRICE
    assert done.projected == 3 * PRICE


@pytest.mark.parametrize(
    ("kind", "items", "exposure"),
    [
        (Kind.MODERATED, ItemCounts(total=2, failed=1, pending=1), 0),
        (Kind.CUT_OFF, ItemCounts(total=2, uncertain=1, pending=1), PRICE),
        (Kind.DENIED, ItemCounts(total=2, pending=2), 0),
        (Kind.SERVER_ERROR, ItemCounts(total=2, pending=2), 0),
    ],
)
def test_progress_counts_an_end_by_its_verdict(
    kind: Kind,
    items: ItemCounts,
    exposure: int,
) -> None:
    view = folded(planned(ItemCounts(total=2, pending=2), 2), sent(1), ended(1, kind))

    assert (view.items, view.exposure, view.spent) == (items, exposure, 0)
    assert [failure.kind for failure in view.failures] == [kind]


def test_progress_fails_what_is_retried_once_at_its_second_end() -> None:
    start = planned(ItemCounts(total=1, pending=1), 1)
    first = ended(1, Kind.TOO_COMPLEX, again_in=2.0)
    second = ended(1, Kind.TOO_COMPLEX, again=1)

    assert folded(start, sent(1), first).waiting == 1
    view = folded(start, sent(1), first, sent(1, again=1), second)

    assert (view.items.failed, view.waiting, view.in_flight, view.attempts) == (1, 0, 0, 2)


def test_progress_leaves_throttles_out_of_the_last_failures() -> None:
    start = planned(ItemCounts(total=1, pending=1), 1)

    view = folded(start, sent(1), ended(1, Kind.THROTTLED, again_in=1.0))

    assert view.failures == ()
    assert view.waiting == 1


def test_progress_counts_no_attempt_whose_source_changed() -> None:
    start = planned(ItemCounts(total=1, pending=1), 1)

    view = folded(start, sent(1), ended(1, Kind.SOURCE_CHANGED, again_in=0.0))

    assert (view.attempts, view.in_flight, view.waiting) == (0, 0, 0)


def test_progress_saves_resent_items_out_of_their_former_count() -> None:
    start = planned(ItemCounts(total=3, saved=1, reused=1, uncertain=2), 2)

    view = folded(start, saved(1), saved(2))

    assert view.items == ItemCounts(total=3, saved=3, reused=1)


def test_progress_foresees_the_end_from_the_last_minute() -> None:
    progress = Progress()
    progress.absorb(planned(ItemCounts(total=1000, pending=1000), 1000), 0.0)
    assert progress.view(0.0).eta is None
    for second in range(200):
        # One a second at first, two a second in the last 100 seconds.
        for half in range(1 + (second >= 100)):
            number = 2 * second + half
            progress.absorb(sent(number), float(second))
            progress.absorb(ended(number), float(second))
            progress.absorb(saved(number), float(second))

    view = progress.view(199.5)

    assert view.rate_now == pytest.approx(2.0, abs=0.05)
    assert view.rate_overall == pytest.approx(1.5, abs=0.05)
    assert view.eta == pytest.approx(350.0, abs=10)
    progress.absorb(PaceChanged(rate=0.5, wait=30.0), 199.5)
    held = progress.view(209.5)
    assert held.pace == 0.5
    assert held.gate == pytest.approx(20.0)
    assert held.eta is not None
    assert held.eta > 350


def test_progress_that_stops_awaits_only_what_is_in_flight() -> None:
    start = planned(ItemCounts(total=100, pending=100), 100)
    first = Stopping(reason=StopReason.MAX_COST, message="enough", in_flight=1)
    second = Stopping(reason=StopReason.INTERRUPTED, message="now", in_flight=1)

    view = folded(start, sent(1), ended(1), sent(2), first, second, now=10.0)

    assert view.stopping == first
    assert view.eta == pytest.approx(10.0)
    assert view.projected == 2 * PRICE


def test_progress_ends_with_the_counts_of_the_summary() -> None:
    summary = Summary(
        run="r",
        stopped_by=None,
        exit_status=ExitStatus.SAVED,
        items=ItemCounts(total=2, saved=2),
        edits=EditCounts(attempts=1, paid=1),
        cost=Cost(spent=PRICE),
    )

    view = folded(planned(ItemCounts(total=2, pending=2), 1), sent(1), RunClosed(summary=summary))

    assert (view.items, view.spent, view.in_flight, view.eta) == (summary.items, PRICE, 0, 0.0)


def test_progress_counts_every_item_of_a_shared_edit() -> None:
    progress = Progress()
    before = Planned(
        items=ItemCounts(total=9, pending=9),
        estimate=Estimate(edits=3, cost=MicroUSD(3 * PRICE), left=MicroUSD(PRICE * 5)),
        to_place=0,
        exposure=MicroUSD(PRICE * 2),
    )
    progress.absorb(before, 0.0)
    assert progress.view(0.0).exposure == PRICE * 2

    for event in (
        sent(1),
        ended(1, Kind.GAVE_UP, items=2),
        sent(2),
        ended(2, Kind.MODERATED, items=3, cost=0),
        sent(3),
        ended(3, items=4),
        ResultLost(key="k3", path="x.png", reason="404", items=4),
    ):
        progress.absorb(event, 1.0)

    view = progress.view(2.0)
    assert view.items == ItemCounts(total=9, uncertain=2, failed=3, lost=4)
    # What earlier runs may have spent is told, and counts neither here nor against what is left.
    assert (view.exposure, view.projected, view.left) == (PRICE * 3, PRICE * 2, PRICE * 3)
