from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qwenbatch.core.deadlines import REMEMBERED, Deadline, Latency
from qwenbatch.core.stops import StopReason


def test_latency_is_nothing_before_the_first_answer() -> None:
    assert Latency().usual == 0.0


@given(st.lists(st.floats(0.0, 300.0), min_size=1, max_size=120))
def test_latency_is_as_long_as_nearly_all_of_the_last_took(seconds: list[float]) -> None:
    latency = Latency()
    for one in seconds:
        latency.saw(one)
    last = seconds[-REMEMBERED:]
    assert latency.usual in last
    assert sum(one <= latency.usual for one in last) >= 0.95 * len(last)


def test_latency_forgets_what_is_long_past() -> None:
    latency = Latency()
    for one in [300.0] * REMEMBERED + [10.0] * REMEMBERED:
        latency.saw(one)
    assert latency.usual == 10.0


def test_deadline_stops_sends_that_would_land_too_late() -> None:
    deadline = Deadline(until=1000.0)
    assert deadline.passed(wall=969.9, monotonic=0.0, latency=30.0) is None
    assert deadline.passed(wall=970.0, monotonic=0.0, latency=30.0) is StopReason.DEADLINE
    assert deadline.passed(wall=999.0, monotonic=0.0, latency=0.0) is None


def test_duration_goes_by_the_monotonic_clock_alone() -> None:
    duration = Deadline(ends=50.0)
    assert duration.passed(wall=10**9, monotonic=19.0, latency=30.0) is None
    assert duration.passed(wall=0.0, monotonic=20.0, latency=30.0) is StopReason.DURATION


def test_deadline_without_ends_never_passes() -> None:
    assert Deadline().passed(wall=10.0**12, monotonic=10.0**12, latency=10.0**6) is None


def test_deadline_is_told_before_duration() -> None:
    both = Deadline(until=1.0, ends=1.0)
    assert both.passed(wall=2.0, monotonic=2.0, latency=0.0) is StopReason.DEADLINE
