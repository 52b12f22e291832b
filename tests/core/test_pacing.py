from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwenbatch.core.pacing import (
    CUT,
    CUT_WINDOW,
    LEAST_RATE,
    MILD_CUT,
    NEAR_RISE,
    RAISE_WINDOW,
    RAMP_SECONDS,
    RAMP_START,
    RISE,
    SLACK,
    STEADY,
    Pace,
    Ramp,
)


class Driver:
    """Leads a pace through virtual time, as a run that always has something to send."""

    def __init__(self, *, most: float, learned: float | None = None) -> None:
        self.now = 100.0
        self.pace = Pace(most=most, learned=learned, now=self.now)
        self.starts: list[float] = []

    def start(self, *, late: float = 0.0) -> float:
        """Wait as long as the pace says, and so much longer; then start."""
        due = self.pace.due(self.now)
        waited = due > self.now
        self.now = due + late
        self.pace.start(self.now, waited=waited)
        self.starts.append(self.now)
        return self.now


def test_pace_spaces_starts_evenly() -> None:
    driver = Driver(most=2.0)
    moments = [driver.start() for _ in range(5)]
    assert moments == pytest.approx([100.0, 100.5, 101.0, 101.5, 102.0], abs=SLACK + 1e-9)


def test_pace_saves_up_nothing_while_nothing_is_sent() -> None:
    driver = Driver(most=2.0)
    driver.start()
    driver.now += 60
    first = driver.start()
    assert driver.start() - first >= 0.5 - SLACK - 1e-9


def test_pace_forgives_a_timers_lateness_but_no_more() -> None:
    driver = Driver(most=10.0)
    for _ in range(100):
        driver.start(late=0.01)
    assert driver.starts[-1] - driver.starts[0] == pytest.approx(9.9, abs=0.03)
    slow = Driver(most=10.0)
    for _ in range(100):
        slow.start(late=0.06)
    assert slow.starts[-1] - slow.starts[0] >= 9.9 + 99 * (0.06 - SLACK) - 0.1


def test_pace_is_cut_once_a_window_however_many_answers_say_so() -> None:
    driver = Driver(most=2.0)
    for step in range(8):
        driver.pace.throttled(driver.now + step * CUT_WINDOW / 10, None)
    assert driver.pace.rate == pytest.approx(2.0 * CUT)
    driver.pace.throttled(driver.now + CUT_WINDOW * 1.01, None)
    assert driver.pace.rate == pytest.approx(2.0 * CUT * CUT)


def test_pace_is_never_cut_below_the_least() -> None:
    driver = Driver(most=2.0)
    for _ in range(50):
        driver.now += 10
        driver.pace.throttled(driver.now, None)
    assert driver.pace.rate == LEAST_RATE


def test_pace_rises_only_after_a_clean_window_in_which_it_was_the_bound() -> None:
    driver = Driver(most=4.0)
    pace = driver.pace
    pace.throttled(driver.now, None)
    cut = pace.rate
    driver.start()
    pace.accepted(driver.now)
    assert pace.rate == cut, "the window is not over"
    driver.now += RAISE_WINDOW
    pace.accepted(driver.now)
    assert pace.rate == cut, "nothing waited for the pace"
    driver.start()
    driver.start()
    driver.now += RAISE_WINDOW
    assert pace.rate == cut, "time alone raises nothing"
    pace.accepted(driver.now)
    assert pace.rate == pytest.approx(cut * RISE)


def test_pace_a_throttle_spoils_its_window() -> None:
    driver = Driver(most=4.0)
    pace = driver.pace
    pace.throttled(driver.now, None)
    driver.start()
    driver.start()
    driver.now += RAISE_WINDOW
    pace.throttled(driver.now - 0.01, None)
    rate = pace.rate
    pace.accepted(driver.now)
    assert pace.rate == rate


def test_pace_rises_carefully_near_the_rate_that_was_throttled() -> None:
    driver = Driver(most=100.0)
    pace = driver.pace
    pace.throttled(driver.now, None)
    rises: list[float] = []
    while pace.rate < 100.0 and len(rises) < 100:
        before = pace.rate
        driver.start()
        driver.start()
        driver.now += RAISE_WINDOW
        pace.accepted(driver.now)
        rises.append(pace.rate / before)
    assert rises[0] == pytest.approx(RISE)
    assert rises[-2] == pytest.approx(NEAR_RISE)
    assert pace.rate == 100.0


def test_pace_begins_where_an_earlier_run_ended() -> None:
    assert Driver(most=2.0, learned=0.7).pace.rate == 0.7
    assert Driver(most=2.0, learned=5.0).pace.rate == 2.0
    assert Driver(most=2.0).pace.rate == 2.0


def test_pace_learns_only_what_is_below_the_rate_that_was_told() -> None:
    driver = Driver(most=2.0)
    assert driver.pace.learned is None
    driver.pace.throttled(driver.now, None)
    assert driver.pace.learned == driver.pace.rate == pytest.approx(2.0 * CUT)


def test_pace_retry_after_closes_the_gate_for_all() -> None:
    driver = Driver(most=2.0)
    driver.pace.throttled(driver.now, 57.0)
    assert driver.pace.due(driver.now) == driver.now + 57.0
    driver.pace.throttled(driver.now + 1, 3.0)
    assert driver.pace.gate == driver.now + 57.0, "a shorter one opens no gate"
    moments = [driver.start() for _ in range(3)]
    assert moments[0] == 157.0
    assert moments[1] - moments[0] == pytest.approx(1 / driver.pace.rate, abs=SLACK + 1e-9)


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("start"), st.floats(0.0, 0.02)),
        st.tuples(st.just("pause"), st.floats(0.0, 5.0)),
        st.tuples(st.just("accepted"), st.just(0.0)),
        st.tuples(st.just("throttled"), st.none() | st.floats(0.0, 3.0)),
    ),
    max_size=120,
)


@given(EVENTS, st.floats(0.02, 20.0), st.none() | st.floats(0.01, 40.0))
def test_pace_stays_in_bounds_whatever_happens(
    events: list[tuple[str, float | None]],
    most: float,
    learned: float | None,
) -> None:
    driver = Driver(most=most, learned=learned)
    accepted = True
    for what, seconds in events:
        rate = driver.pace.rate
        match what:
            case "start":
                driver.start(late=seconds or 0.0)
            case "pause":
                driver.now += seconds or 0.0
            case "accepted":
                driver.pace.accepted(driver.now)
            case _:
                driver.pace.throttled(driver.now, seconds)
                assert driver.pace.rate <= rate
        accepted = what == "accepted"
        assert driver.pace.rate <= rate or accepted
        assert min(LEAST_RATE, most) <= driver.pace.rate <= most
        assert driver.pace.due(driver.now) >= max(driver.now, driver.pace.gate)
    for index, begin in enumerate(driver.starts):
        for count, end in enumerate(driver.starts[index:], 1):
            # SLACK is the lateness that is forgiven; 1e-6 a float's inaccuracy.
            assert count <= most * (end - begin + SLACK) + 1 + 1e-6


def test_ramp_grows_from_a_few_to_its_most_within_about_a_second() -> None:
    ramp = Ramp(most=32, began=10.0)
    assert ramp.slots(10.0) == RAMP_START
    assert RAMP_START < ramp.slots(10.4) < 32
    assert ramp.slots(10.0 + RAMP_SECONDS) == ramp.slots(99.0) == 32
    slots = [ramp.slots(10.0 + step / 100) for step in range(120)]
    assert slots == sorted(slots)


def test_ramp_never_exceeds_a_small_most() -> None:
    assert Ramp(most=1, began=0.0).slots(0.0) == 1
    assert Ramp(most=3, began=0.0).slots(5.0) == 3


def test_ramp_a_throttle_on_the_way_holds_it_and_acceptances_go_on() -> None:
    ramp = Ramp(most=12, began=0.0)
    ramp.throttled(0.4)
    held = ramp.slots(0.4)
    assert held < 12
    assert ramp.slots(60.0) == held
    ramp.throttled(61.0)
    assert ramp.slots(62.0) == held
    for more in range(1, 12 - held + 1):
        ramp.accepted(63.0)
        assert ramp.slots(63.01) == held + more
    ramp.throttled(64.0)
    assert ramp.slots(64.0) == 12, "a ramp that is up stays up: the rate does the rest"


def test_pace_that_was_borne_is_cut_mildly() -> None:
    driver = Driver(most=20.0)
    for _ in range(STEADY):
        driver.pace.accepted(driver.now)
    driver.pace.throttled(driver.now, None)
    assert driver.pace.rate == pytest.approx(20.0 * MILD_CUT)
    driver.pace.throttled(driver.now + CUT_WINDOW * 1.01, None)
    assert driver.pace.rate == pytest.approx(20.0 * MILD_CUT * CUT)
