"""A run in plain lines, for logs and pipes: one a minute, and one for each thing that matters."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from qwenbatch.core.events import Event, Planned, Proxied, RunClosed, RunOpened, Stopping
from qwenbatch.core.money import dollars
from qwenbatch.core.plain_urls import without_queries
from qwenbatch.observe.amounts import number_of, other_counts, per_second, span
from qwenbatch.observe.bad_rows import MOST_IN_FULL, BadRows
from qwenbatch.observe.plain_text import plain
from qwenbatch.observe.progress import Progress
from qwenbatch.observe.proxied import proxied
from qwenbatch.observe.words import bound_words

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from qwenbatch.observe.view import View

EVERY = 60.0
"""Seconds between two lines on how the run stands."""

_MOST = 400


class Lines:
    """An observer that writes lines such as `14:03:10 412 of 1,204 items saved, 31 in flight`.

    `clock` is monotonic, in seconds; `wall` gives the time that stands before a line, in the zone
    that the reader lives in. `most_rows` bad rows are told in full, all if None. Without `unasked`
    nothing is written but what `write_standing` asks for. A stream that can no longer be written is
    left alone: `failure` then says why, and the run goes on.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        clock: Callable[[], float],
        wall: Callable[[], datetime],
        most_rows: int | None = MOST_IN_FULL,
        unasked: bool = True,
    ) -> None:
        self.failure: str | None = None
        self._stream = stream
        self._encoding = stream.encoding or "utf-8"
        self._clock = clock
        self._wall = wall
        self._progress = Progress()
        self._bad_rows = BadRows(self._encoding, most=most_rows)
        self._last = clock()
        self._unasked = unasked

    def __call__(self, event: Event) -> None:
        """Take in an event, and write what is to be told of it."""
        self._progress.absorb(event, self._clock())
        if not self._unasked:
            return
        match event:
            case RunOpened():
                self._write(_opening(event))
            case Proxied():
                self._write(proxied(event))
            case Planned():
                self._write_rest()
                self._write(_plan(event))
            case Stopping():
                self._write(_stop(event))
            case RunClosed():
                self._write_rest()
                return
            case _:
                told = self._bad_rows.tell(event)
                if told is not None:
                    self._write(told)
        self.tick()

    def tick(self) -> None:
        """Write how the run stands if the last such line, or the start, is a minute ago."""
        if self._unasked and self._clock() - self._last >= EVERY:
            self.write_standing()

    def write_standing(self) -> None:
        """Write how the run stands, now."""
        now = self._clock()
        self._last = now
        self._write(standing(self._progress.view(now)))

    def _write_rest(self) -> None:
        for sentence in self._bad_rows.rest():
            self._write(sentence)

    def _write(self, text: str) -> None:
        if self.failure is not None:
            return
        line = plain(f"{self._wall():%H:%M:%S} {text}", most=_MOST * 3, encoding=self._encoding)
        try:
            self._stream.write(f"{line}\n")
            self._stream.flush()
        except (OSError, ValueError) as error:
            # ValueError: the stream was closed.
            self.failure = f"progress can no longer be written: {error}"


def standing(view: View) -> str:
    """How the run stands, in one sentence."""
    if view.planned is None:
        return f"reading the manifest: {number_of(view.rows, 'row')} so far"
    items = view.items
    parts = [f"{items.saved:,} of {number_of(items.total, 'item')} saved", *other_counts(items)]
    if view.summary is None:
        parts.append(f"{view.in_flight:,} in flight")
        if view.waiting:
            parts.append(f"{view.waiting:,} to be sent again")
    parts += [per_second(view.rate_now), f"{dollars(view.spent)} spent"]
    if view.exposure:
        parts.append(f"{dollars(view.exposure)} perhaps paid")
    if view.gate > 0:
        parts.append(f"the gateway wants a pause of {span(view.gate)}")
    elif view.bound is not None:
        parts.append(bound_words(view, view.bound))
    if view.stopping is not None:
        parts.append("stopping")
    if view.eta is not None and view.eta > 0:
        parts.append(f"about {span(view.eta)} left")
    return ", ".join(parts)


def _opening(event: RunOpened) -> str:
    parts = [f"run {_clean(event.run)}: {_clean(event.source)} to {_clean(event.out)}"]
    if event.sandbox:
        parts.append("in the sandbox, where nothing is really paid")
    else:
        parts.append(f"by {_clean(event.gateway)}")
    return ", ".join(parts)


def _plan(event: Planned) -> str:
    items, estimate = event.items, event.estimate
    parts = [number_of(items.total, "item"), f"{items.saved:,} saved before", *other_counts(items)]
    if event.to_place:
        parts.append(f"{number_of(event.to_place, 'paid result')} to fetch")
    sending = f"{number_of(estimate.edits, 'edit')} to send, {dollars(estimate.cost)}"
    if estimate.left is not None:
        sending += f" ({dollars(estimate.left)} left under the caps)"
    return f"planned: {', '.join(parts)}; {sending}"


def _stop(event: Stopping) -> str:
    awaited = f"; {event.in_flight:,} in flight are awaited" if event.in_flight else ""
    return f"stopping ({event.reason}): {_clean(event.message)}{awaited}"


def _clean(text: str) -> str:
    return plain(without_queries(text), most=_MOST)
