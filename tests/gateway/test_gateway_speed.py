from __future__ import annotations

from qwenbatch.gateway.speed import SpeedWindow


def test_speed_is_judged_at_the_end_of_each_window() -> None:
    window = SpeedWindow(15.0, 100, started=0.0)
    window.add(99)
    assert not window.is_too_slow(14.9)
    window.add(1)
    assert not window.is_too_slow(15.0)
    assert window.ends_at == 30.0
    window.add(99)
    assert window.is_too_slow(30.0)


def test_speed_leaves_out_time_that_is_not_the_senders() -> None:
    window = SpeedWindow(15.0, 100, started=0.0)
    window.pause(10.0)
    assert not window.is_too_slow(24.9)
    assert window.is_too_slow(25.0)
