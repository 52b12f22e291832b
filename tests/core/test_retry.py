from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwenbatch.core.retry import (
    FETCH_WAITS,
    AfterAttempt,
    RetryPolicy,
    Tally,
    after_attempt,
    backoff,
)
from qwenbatch.core.states import EditEvent
from qwenbatch.core.verdicts import RETRIED_ONCE, VERDICTS, Kind, Verdict

POLICY = RetryPolicy(attempts=4, wait_initial=2.0, wait_max=60.0)
WITH = {verdict: {kind for kind, its in VERDICTS.items() if its is verdict} for verdict in Verdict}
JITTER = st.floats(0.0, 1.0)


def conducted(kinds: list[Kind | None], policy: RetryPolicy = POLICY) -> list[AfterAttempt]:
    tally, seen = Tally(), []
    for kind in kinds:
        after = after_attempt(kind, tally, policy, 1.0)
        seen.append(after)
        tally = after.tally
    return seen


def test_retry_an_edited_picture_is_the_end() -> None:
    assert conducted([None])[0].event is EditEvent.ANSWERED
    assert conducted([None])[0].wait is None


@pytest.mark.parametrize(
    ("verdict", "event"),
    [
        (Verdict.FAIL, EditEvent.REFUSED),
        (Verdict.HALT, EditEvent.RETRIABLE),
        (Verdict.UNCERTAIN, EditEvent.DOUBTED),
    ],
)
def test_retry_fails_halts_and_doubts_end_at_once(verdict: Verdict, event: EditEvent) -> None:
    for kind in WITH[verdict]:
        after = conducted([kind])[0]
        assert (after.event, after.wait) == (event, None)


@pytest.mark.parametrize("kind", sorted(WITH[Verdict.RETRY] - RETRIED_ONCE - {Kind.THROTTLED}))
def test_retry_goes_on_until_the_attempts_are_used_up(kind: Kind) -> None:
    afters = conducted([kind] * 4)
    assert [after.event for after in afters] == [EditEvent.RETRIABLE] * 4
    assert [after.wait for after in afters] == [2.0, 4.0, 8.0, None]


@pytest.mark.parametrize("kind", sorted(RETRIED_ONCE))
def test_retry_once_then_the_edit_fails(kind: Kind) -> None:
    first, second = conducted([kind, kind])
    assert first.event is EditEvent.RETRIABLE
    assert first.wait is not None
    assert (second.event, second.wait) == (EditEvent.REFUSED, None)


def test_retry_once_counts_each_kind_for_itself() -> None:
    one, other = sorted(RETRIED_ONCE)
    assert [after.event for after in conducted([one, other, Kind.SERVER_ERROR, one])] == [
        EditEvent.RETRIABLE,
        EditEvent.RETRIABLE,
        EditEvent.RETRIABLE,
        EditEvent.REFUSED,
    ]


def test_retry_once_leaves_the_edit_pending_where_attempts_are_used_up() -> None:
    after = conducted([Kind.TOO_COMPLEX], RetryPolicy(attempts=1))[0]
    assert (after.event, after.wait) == (EditEvent.RETRIABLE, None)


@given(st.integers(1, 200), JITTER)
def test_retry_throttles_are_not_charged(throttles: int, jitter: float) -> None:
    tally = Tally()
    for _ in range(throttles):
        after = after_attempt(Kind.THROTTLED, tally, POLICY, jitter)
        assert after.event is EditEvent.RETRIABLE
        assert after.wait is not None
        assert 0 <= after.wait <= POLICY.wait_initial
        tally = after.tally
    assert tally == Tally()


@given(
    st.lists(st.sampled_from(sorted(VERDICTS)), max_size=40),
    st.integers(1, 6),
)
def test_retry_charges_no_more_than_the_attempts(kinds: list[Kind], attempts: int) -> None:
    tally, policy, posts = Tally(), RetryPolicy(attempts=attempts), 0
    for kind in kinds:
        after = after_attempt(kind, tally, policy, 0.5)
        tally = after.tally
        posts += kind is not Kind.THROTTLED
        assert posts <= attempts
        assert tally.charged == posts
        if after.wait is None:
            break


@given(st.integers(-1, 10**6), JITTER)
def test_retry_backoff_is_full_jitter_within_bounds(failures: int, jitter: float) -> None:
    wait = backoff(failures, POLICY, jitter)
    ceiling = min(60.0, 2.0 * 2.0 ** max(0, min(failures - 1, 40)))
    assert wait == pytest.approx(jitter * ceiling)
    assert 0.0 <= wait <= POLICY.wait_max


def test_retry_fetches_a_result_at_least_five_times_within_about_a_minute() -> None:
    assert len(FETCH_WAITS) + 1 >= 5
    assert 45 <= sum(FETCH_WAITS) <= 75
