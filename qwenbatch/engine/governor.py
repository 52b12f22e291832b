"""Governs a run: how many POSTs may be in flight, when the next may start, and when none may."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import anyio

from qwenbatch.core.deadlines import Latency
from qwenbatch.core.events import PaceChanged, Stopping
from qwenbatch.core.pacing import Ramp
from qwenbatch.core.stops import (
    HALTS,
    MOST_PATIENCE,
    MOST_RETRY_AFTER,
    Breaker,
    StopReason,
)
from qwenbatch.core.verdicts import ACCEPTED, Kind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from qwenbatch.core.attempts import CapRefusal
    from qwenbatch.core.deadlines import Deadline
    from qwenbatch.core.pacing import Pace
    from qwenbatch.engine.ports import Clock, Report

RAMP_STEP = 0.05
"""Seconds between two looks at how many slots there are while the run ramps up."""

_BREAKER_WORDS = "the gateway fails one edit after the other"

LONGEST_NAP = 1.0
"""Seconds after which every wait of an edit that is to be sent looks again at the clocks: they
may have been set, and the machine may have slept."""

_LATE_WORDS = "what is sent now could not land in time"


class Governor:
    """The run's one throttle, gate and brake. Nothing here is paid; it only says when."""

    def __init__(
        self,
        *,
        concurrency: int,
        pace: Pace,
        deadline: Deadline | None,
        room: Callable[[int], bool],
        clock: Clock,
        report: Report,
    ) -> None:
        self.pace = pace
        self.stopped_by: StopReason | None = None
        self._concurrency = concurrency
        self._most_waiting = 2 * concurrency
        self._clock = clock
        self._report = report
        self._deadline = deadline
        self._room = room
        self._flying = 0
        self._latency = Latency()
        self._breaker = Breaker()
        self._stopping = anyio.Event()
        self._changes = 0
        self._next_change: anyio.Event | None = None
        """Made where somebody waits for it."""
        self._turnstile = anyio.Lock(fast_acquire=True)
        self._door = anyio.Lock(fast_acquire=True)
        self._ramp = Ramp(most=concurrency, began=clock.monotonic())
        self._opened = self._ramp.slots(clock.monotonic())
        self._slots = anyio.Semaphore(self._opened, fast_acquire=True)
        self._throttled_since: float | None = None
        self._placing = 0
        self._given_up = 0

    # ------------------------------------------------------------------ when a POST may start

    async def ramp_up(self) -> None:
        """Let the number of slots grow from a few to its most; ends when it is there."""
        self._ramp.began = self._clock.monotonic()
        while self._opened < self._concurrency:
            await anyio.sleep(RAMP_STEP)
            for _ in range(self._opened, self._ramp.slots(self._clock.monotonic())):
                self._opened += 1
                self._slots.release()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[bool]:
        """One of the places in flight; False if the run is stopping."""
        async with self._slots:
            yield not self.stopping

    async def turn(self) -> bool:
        """Wait until the next POST may start; False if the run is stopping instead.

        Whoever had a turn says `landed` in the end.

        One waits at the head, the others behind it in order: so a throttle that comes meanwhile
        holds for all of them.
        """
        async with self._turnstile:
            waited = False
            while not self.stopping:
                now = self._clock.monotonic()
                wait = max(0.0, self.pace.due(now) - now)
                if self._breaker.open:
                    self.stop(StopReason.BREAKER, _BREAKER_WORDS)
                elif (late := self._late(wait)) is not None:
                    self.stop(late, _LATE_WORDS)
                elif self._given_up > self._most_waiting:
                    self.stop(
                        StopReason.UNFETCHED,
                        f"{self._given_up} paid results cannot be fetched",
                    )
                elif self._placing + self._given_up > self._most_waiting:
                    await self._nap(self._change(), LONGEST_NAP)
                elif not self._room(self._flying + self._placing + 1):
                    self.stop(StopReason.DISK, "there is no room for the results to come")
                elif wait > 0:
                    waited = True
                    await self._nap(self._stopping, min(wait, LONGEST_NAP))
                else:
                    # Asked anew: looking at the disk may have taken its time.
                    self.pace.start(self._clock.monotonic(), waited=waited)
                    self._flying += 1
                    return True
        return False

    async def departs(self) -> None:
        """Wait until a POST that has its turn and its permit may go out, or the run is stopping."""
        async with self._door:
            while not self.stopping:
                now = self._clock.monotonic()
                wait = max(0.0, self.pace.departure(now) - now)
                if self._breaker.open:
                    self.stop(StopReason.BREAKER, _BREAKER_WORDS)
                elif (late := self._late(wait)) is not None:
                    self.stop(late, _LATE_WORDS)
                elif wait > 0:
                    await self._nap(self._stopping, min(wait, LONGEST_NAP))
                else:
                    self.pace.depart(now)
                    return

    def landed(self) -> None:
        """What had its turn is recorded, or was not sent after all."""
        self._flying -= 1

    async def rest(self, seconds: float) -> bool:
        """Wait so many seconds to send an edit again; False as soon as the run is stopping.

        A deadline that comes meanwhile stops the run.
        """
        ends = self._clock.monotonic() + seconds
        while not self.stopping and (left := ends - self._clock.monotonic()) > 0:
            await self._nap(self._stopping, min(left, LONGEST_NAP))
            self._stop_if_late()
        return not self.stopping

    async def _nap(self, event: anyio.Event, seconds: float) -> None:
        """Wait for an event, so many seconds at the most."""
        with anyio.move_on_after(seconds):
            await event.wait()

    def news(self) -> int:
        """How often anything in the run changed so far: taken before a question is asked."""
        return self._changes

    async def refused(self, refusal: CapRefusal, news: int) -> None:
        """A cap refused a permit: wait for what changes after `news`, or stop if nothing can."""
        if not refusal.reserved:
            self.stop(StopReason(refusal.cap), "the cap allows no further edit")
        while not self.stopping and self._changes == news:
            await self._nap(self._change(), LONGEST_NAP)
            self._stop_if_late()

    # ------------------------------------------------------------------ what came of it

    def heard(
        self,
        kind: Kind | None,
        *,
        retry_after: float | None,
        seconds: float,
        again: bool,
    ) -> None:
        """An attempt is recorded: let pace, breaker and brake take note of how it ended.

        `seconds` is how long it took, `again` whether the edit is to be sent once more.
        """
        now = self._clock.monotonic()
        rate, gate = self.pace.rate, self.pace.gate
        if kind is Kind.THROTTLED:
            self._throttled(now, retry_after)
        elif kind is None or kind in ACCEPTED:
            self._throttled_since = None
            self.pace.accepted(now)
            self._ramp.accepted(now)
        if kind is None:
            self._latency.saw(seconds)
        if (self.pace.rate, self.pace.gate) != (rate, gate):
            self._report(PaceChanged(rate=self.pace.rate, wait=max(0.0, self.pace.gate - now)))
        self._breaker = self._breaker.after(kind)
        if self._breaker.open and again:
            self.stop(StopReason.BREAKER, _BREAKER_WORDS)
        if kind is not None and kind in HALTS:
            later = f"; {self._come_back(retry_after)}" if retry_after else ""
            self.stop(HALTS[kind], "the gateway refuses this run" + later)
        self.freed()

    def freed(self) -> None:
        """Something that others may wait for is over: an attempt, a placement."""
        self._changes += 1
        if self._next_change is not None:
            self._next_change.set()
            self._next_change = None

    def _change(self) -> anyio.Event:
        """What is set when next anything changes."""
        if self._next_change is None:
            self._next_change = anyio.Event()
        return self._next_change

    def _throttled(self, now: float, retry_after: float | None) -> None:
        self.pace.throttled(now, retry_after)
        self._ramp.throttled(now)
        since = self._throttled_since = self._throttled_since or now
        wait = retry_after or 0.0
        if wait > MOST_RETRY_AFTER or (wait and self._late(wait) is not None):
            self.stop(StopReason.THROTTLED, self._come_back(wait))
        elif now - since > MOST_PATIENCE:
            self.stop(
                StopReason.THROTTLED,
                f"no edit was accepted for {MOST_PATIENCE / 60:.0f} minutes",
            )

    def _come_back(self, retry_after: float) -> str:
        try:
            moment = datetime.fromtimestamp(self._clock.wall() + retry_after, UTC)
        except (OverflowError, ValueError, OSError):
            return "the gateway asks to wait for ever"
        return f"the gateway asks to come back at {moment:%Y-%m-%d %H:%M} UTC"

    # ------------------------------------------------------------------ results on their way

    @asynccontextmanager
    async def placing(self) -> AsyncIterator[None]:
        """An edit that is paid for waits for placement while this is held."""
        self._placing += 1
        try:
            yield
        finally:
            self._placing -= 1
            self.freed()

    def gave_up_placing(self) -> None:
        """A paid result could not be had in this run; said while its `placing` is still held."""
        self._given_up += 1

    # ------------------------------------------------------------------ stopping

    @property
    def stopping(self) -> bool:
        """Whether no new POST may be made."""
        return self._stopping.is_set()

    async def stopped(self) -> None:
        """Wait until the run is stopping."""
        await self._stopping.wait()

    def stop(self, reason: StopReason, message: str) -> None:
        """Make no new POST from here on; the first reason is the one that counts."""
        if self.stopped_by is None:
            self.stopped_by = reason
            self._report(
                Stopping(
                    reason=reason,
                    message=message,
                    in_flight=self._flying,
                ),
            )
        self.end_sending()

    def end_sending(self) -> None:
        """Make no new POST, without a reason to tell: a defect speaks for itself."""
        self._stopping.set()
        self.freed()

    def _stop_if_late(self) -> None:
        """Stop where an edit that waits to be sent could not land in time any more."""
        if (late := self._late(0.0)) is not None:
            self.stop(late, _LATE_WORDS)

    def _late(self, wait: float) -> StopReason | None:
        """Why a POST that starts after `wait` seconds would land too late, if it would."""
        if self._deadline is None:
            return None
        return self._deadline.passed(
            wall=self._clock.wall() + wait,
            monotonic=self._clock.monotonic() + wait,
            latency=self._latency.usual,
        )
