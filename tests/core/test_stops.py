from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwenbatch.core.stops import (
    BREAKER_LIMIT,
    STOP_STATUS,
    Breaker,
    ExitStatus,
    StopReason,
    exit_status,
)
from qwenbatch.core.summary import ItemCounts
from qwenbatch.core.verdicts import BREAKING, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

# DESIGN's table, and the reasons that it names.
STATUSES = {
    StopReason.MAX_COST: 5,
    StopReason.BUDGET: 5,
    StopReason.DEADLINE: 6,
    StopReason.DURATION: 6,
    StopReason.DENIED: 7,
    StopReason.EXHAUSTED: 7,
    StopReason.MISADDRESSED: 7,
    StopReason.THROTTLED: 7,
    StopReason.BREAKER: 8,
    StopReason.UNFETCHED: 8,
    StopReason.DISK: 9,
    StopReason.DECLINED: 3,
    StopReason.CANARY: 3,
    StopReason.INTERRUPTED: 130,
    StopReason.TERMINATED: 143,
}
COUNTS = st.builds(
    lambda **counts: ItemCounts(total=sum(counts.values()), **counts),
    **{
        name: st.integers(0, 3)
        for name in ("saved", "failed", "invalid", "uncertain", "lost", "pending")
    },
)


@given(COUNTS)
def test_exit_status_of_every_stop_wins_over_all_counts(counts: ItemCounts) -> None:
    assert set(StopReason) == set(STATUSES) == set(STOP_STATUS)
    for reason, status in STATUSES.items():
        assert exit_status(reason, counts) == status


@given(COUNTS)
def test_exit_status_of_a_finished_run_says_how_it_stands(counts: ItemCounts) -> None:
    status = exit_status(None, counts)
    if counts.uncertain:
        assert status is ExitStatus.UNCERTAIN
    elif counts.failed or counts.invalid or counts.lost or counts.pending:
        assert status is ExitStatus.UNFINISHED
    else:
        assert status is ExitStatus.SAVED


def test_exit_status_of_an_empty_manifest_is_saved() -> None:
    assert exit_status(None, ItemCounts()) is ExitStatus.SAVED


def test_exit_statuses_are_those_that_are_fixed() -> None:
    assert [int(status) for status in ExitStatus] == [*range(11), 130, 143]


def after(kinds: Sequence[Kind | None]) -> Breaker:
    breaker = Breaker()
    for kind in kinds:
        breaker = breaker.after(kind)
    return breaker


@pytest.mark.parametrize("kind", sorted(BREAKING))
def test_breaker_opens_at_the_tenth_in_a_row(kind: Kind) -> None:
    assert BREAKER_LIMIT == 10
    assert not after([kind] * 9).open
    assert after([kind] * 10).open


def test_breaker_counts_breaking_kinds_together() -> None:
    assert {
        Kind.UNREACHABLE,
        Kind.SERVER_ERROR,
        Kind.GAVE_UP,
        Kind.CUT_OFF,
        Kind.UNREADABLE,
    } == BREAKING
    assert after(sorted(BREAKING) * 2).open


@pytest.mark.parametrize("kind", [None, *sorted(set(Kind) - BREAKING - {Kind.THROTTLED})])
def test_breaker_is_reset_by_all_the_rest(kind: Kind | None) -> None:
    assert after([*[Kind.SERVER_ERROR] * 9, kind, *[Kind.SERVER_ERROR] * 9]).open is False


def test_breaker_throttles_neither_count_nor_reset() -> None:
    assert not after([Kind.THROTTLED] * 100).open
    mixed = [Kind.SERVER_ERROR, Kind.THROTTLED] * 10
    assert after(mixed[:-2]).row == 9
    assert after(mixed).open


@given(st.lists(st.none() | st.sampled_from(Kind), max_size=60))
def test_breaker_agrees_with_a_plain_count(kinds: list[Kind | None]) -> None:
    told = [kind for kind in kinds if kind is not Kind.THROTTLED]
    row = 0
    while row < len(told) and told[-1 - row] in BREAKING:
        row += 1
    assert after(kinds).row == row
