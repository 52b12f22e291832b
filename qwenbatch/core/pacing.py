"""When the next POST may start: evenly spaced, no burst, and no faster than the gateway accepts.

`Spacing` is GCRA with a tolerance just wide enough to swallow a timer's lateness. `Pace` steers
its rate: a throttle cuts it, once a window; a clean window in which the rate was the bound, and
in which something was accepted, raises it. `Ramp` lets the number in flight grow to its most.
"""

from __future__ import annotations

import msgspec

LEAST_RATE = 0.05
"""Starts a second below which no throttle pushes the rate."""

CUT_WINDOW = 0.3
"""Seconds after a cut in which further throttles are the same news."""

RAISE_WINDOW = 1.0
"""Seconds without a throttle after which the rate may rise."""

CUT, MILD_CUT = 0.55, 0.95
"""Factors of a cut: of a rate that was never borne, and of one that was borne for a while."""

STEADY = 5
"""Acceptances since the last throttle that show that the rate was borne."""

RISE, NEAR_RISE = 1.25, 1.02
"""Factors of a rise: far from the last rate that was throttled, and near it."""

NEAR = 0.9
"""The share of the last throttled rate from which rises are careful."""

HEADROOM = 0.985
"""The share of a told rate at which starts are spaced: at the very rate, a gateway that counts
strictly refuses what the network's jitter brings early, and that costs more than this."""

SLACK = 0.01
"""Seconds of lateness that a start does not pass on to those behind it."""

RAMP_SECONDS = 0.5
"""Seconds in which the number in flight grows to its most."""

RAMP_START = 4
"""How many may be in flight at once at the very start."""


class Spacing(msgspec.Struct):
    """Evenly spaced moments at `rate` a second (GCRA with a burst of one).

    However long nothing started, because nothing was to be done or the machine slept, no more
    than one start is due then.
    """

    rate: float
    _due: float = float("-inf")

    def due(self, now: float) -> float:
        """The moment, not before `now`, at which the next start may be made."""
        return max(now, self._due)

    def start(self, now: float, *, slack: float) -> None:
        """One start is made now; the next is due an interval after this one was.

        `slack` is the most lateness, in seconds, that is not passed on to those behind it.
        """
        self._due = max(self._due, now - slack) + 1 / self.rate


class Pace:
    """The rate of starts, steered by what the gateway accepts and throttles.

    `most` is the rate told, in starts a second; `learned` the rate at which an earlier run of the
    same gateway ended. All moments are seconds on one monotonic clock.
    """

    def __init__(self, *, most: float, learned: float | None, now: float) -> None:
        self.most = most
        self._spacing = Spacing(min(most, max(learned or most, LEAST_RATE)))
        self._departures = Spacing(self._spacing.rate)
        self._throttled_rate = float("inf") if learned is None else learned / NEAR
        self._gate = now
        self._cut_at = float("-inf")
        self._borne = 0
        self._window_start = now
        self._bound = False

    @property
    def rate(self) -> float:
        """Starts a second that are allowed now."""
        return self._spacing.rate

    @property
    def learned(self) -> float | None:
        """The rate to begin the next run with; None if the gateway took all that it was sent."""
        return self.rate if self.rate < self.most else None

    @property
    def gate(self) -> float:
        """The moment until which a `Retry-After` keeps the whole run waiting."""
        return self._gate

    def due(self, now: float) -> float:
        """The moment, not before `now`, at which the next start may be made."""
        return max(self._gate, self._spacing.due(now))

    def start(self, now: float, *, waited: bool) -> None:
        """One start is made; `waited` says that it was the pace that held it back."""
        self._spacing.start(now, slack=min(SLACK, 0.5 / self.rate))
        self._bound = self._bound or waited

    def departure(self, now: float) -> float:
        """The moment, not before `now`, at which a start that has its permit may go out.

        Permits that came late all at once, because the disk or the machine slept, are no burst.
        """
        return max(self._gate, self._departures.due(now))

    def depart(self, now: float) -> None:
        """A start goes out; the jitter of permits, up to SLACK, is not passed on."""
        self._departures.rate = self.rate
        self._departures.start(now, slack=SLACK)

    def accepted(self, now: float) -> None:
        """The gateway took a request: whatever came of it, it was no throttle."""
        self._borne += 1
        if now - self._window_start < RAISE_WINDOW:
            return
        if self._bound and self.rate < self.most:
            near = self.rate * RISE > self._throttled_rate * NEAR
            self._spacing.rate = min(self.most, self.rate * (NEAR_RISE if near else RISE))
        self._open_window(now)

    def throttled(self, now: float, retry_after: float | None) -> None:
        """The gateway refused a request for coming too fast."""
        if retry_after is not None:
            self._gate = max(self._gate, now + retry_after)
        if now - self._cut_at >= CUT_WINDOW:
            self._cut_at = now
            self._throttled_rate = self.rate
            factor = MILD_CUT if self._borne >= STEADY else CUT
            self._spacing.rate = max(min(LEAST_RATE, self.most), self.rate * factor)
        self._borne = 0
        self._open_window(now)

    def _open_window(self, now: float) -> None:
        self._window_start = now
        self._bound = False


class Ramp(msgspec.Struct):
    """How many may be in flight: from a few to `most` within about a second.

    A throttle on the way stops the growth for as long as the rate is cut.
    """

    most: int
    began: float
    held: int | None = None

    def slots(self, now: float) -> int:
        """How many may be in flight at this moment."""
        if self.held is not None:
            return self.held
        share = min(1.0, max(0.0, (now - self.began) / RAMP_SECONDS))
        return min(self.most, max(RAMP_START, int(self.most * share)))

    def throttled(self, now: float) -> None:
        """The gateway throttled: the ramp stops where it is."""
        if self.held is None and self.slots(now) < self.most:
            self.held = self.slots(now)

    def accepted(self, now: float) -> None:
        """The gateway took a request: a ramp that was stopped grows on by one."""
        if self.held is not None:
            self.held = min(self.most, self.held + 1)
            if self.held == self.most:
                self.held, self.began = None, now - RAMP_SECONDS
