"""A lease as its worker sees it: the clock ends it, whether or not anything else had a turn."""

from __future__ import annotations

import anyio

from qwenbatch.fleet.messages import Welcome
from qwenbatch.fleet.ways import Lease, ThrottleAfar
from qwenbatch.fleet.wire import Wire


class _Clock:
    """A worker's own clock."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def _lease(clock: _Clock) -> Lease:
    return Lease(Welcome(fence=1, term=10.0, run="r", gateway=""), clock.now, clock)


def test_worker_that_stood_still_sends_nothing_before_its_watch_has_had_a_turn() -> None:
    clock = _Clock()
    lease = _lease(clock)
    throttle = ThrottleAfar(lease, anyio.CapacityLimiter(1), _no_wire())
    assert not throttle.stopping
    clock.now += 30.0
    assert throttle.stopping
    assert not lease.is_trusted()
    lease.renewed(clock.now)
    assert not lease.is_trusted(), "what is over stays over"


def test_lease_is_trusted_still_where_the_run_alone_is_stopping() -> None:
    lease = _lease(_Clock())
    lease.stop.set()
    assert not lease.may_send()
    assert lease.is_trusted(), "what is on its way is awaited"


def _no_wire() -> Wire:
    """A line on which nothing is said."""
    return Wire(None, want=None, heard=None, take=None, monotonic=None)  # type: ignore[arg-type]
