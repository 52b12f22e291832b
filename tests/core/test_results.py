from __future__ import annotations

from itertools import permutations

import pytest

from qwenbatch.core.results import Trouble, Unfetched, is_lost, most_hopeful

HOUR = 3600.0


@pytest.mark.parametrize(
    ("trouble", "age", "lost"),
    [
        (Trouble.FORBIDDEN, 0.0, True),
        (Trouble.GONE, 0.0, True),
        (Trouble.HOPELESS, 0.0, False),
        (Trouble.HOPELESS, 24 * HOUR - 1, False),
        (Trouble.HOPELESS, 24 * HOUR, True),
        (Trouble.PASSING, 1_000 * HOUR, False),
    ],
)
def test_result_is_lost_at_once_after_a_day_or_never(
    trouble: Trouble, age: float, *, lost: bool
) -> None:
    assert is_lost(trouble, age=age) is lost


def test_most_hopeful_of_several_failures_decides_in_any_order() -> None:
    failures = [Unfetched(trouble, trouble.value) for trouble in Trouble]
    for order in permutations(failures):
        assert most_hopeful(order).trouble is Trouble.PASSING
        without = [one for one in order if one.trouble is not Trouble.PASSING]
        assert most_hopeful(without).trouble is Trouble.HOPELESS
    twice = [Unfetched(Trouble.HOPELESS, "newest"), Unfetched(Trouble.HOPELESS, "older")]
    assert most_hopeful(twice).reason == "newest"
