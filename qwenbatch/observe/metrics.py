"""A run's figures in a file, as Prometheus reads them through the node exporter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import asdict
from prometheus_client import CollectorRegistry, write_to_textfile
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from qwenbatch.core.events import Planned, RunClosed, RunOpened
from qwenbatch.core.money import usd
from qwenbatch.core.stops import StopReason
from qwenbatch.observe.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from prometheus_client import Metric

    from qwenbatch.core.events import Event
    from qwenbatch.core.summary import Summary
    from qwenbatch.observe.view import View

EVERY = 15.0
"""Seconds between two writings: as often as Prometheus usually looks."""

LABELS = ("out",)
"""The node exporter reads all files of a folder as one: OUT tells one job from another."""


class Metrics:
    """An observer that writes the run's figures to a file, whole or not at all.

    The file is replaced at the run's start and end, and every 15 seconds when `tick` is called.
    `clock` is monotonic, `wall` gives seconds since the epoch. A file that cannot be written ends
    the metrics, never the run: `failure` then says why.
    """

    def __init__(
        self,
        path: Path,
        *,
        out: str,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self.failure: str | None = None
        self._path = path
        self._clock = clock
        self._wall = wall
        self._progress = Progress()
        self._figures = _Figures(out, began=wall())
        self._registry = CollectorRegistry()
        self._registry.register(self._figures)
        self._last = clock()

    def __call__(self, event: Event) -> None:
        """Take in an event; the start, the plan and the end are written at once."""
        self._progress.absorb(event, self._clock())
        if isinstance(event, RunOpened | Planned | RunClosed):
            self._write()

    def tick(self) -> None:
        """Write the figures if it is time."""
        if self._clock() - self._last >= EVERY:
            self._write()

    def _write(self) -> None:
        if self.failure is not None:
            return
        now = self._last = self._clock()
        self._figures.show(self._progress.view(now), self._wall())
        try:
            write_to_textfile(str(self._path), self._registry)
        except OSError as error:
            self.failure = (
                f"the metrics file {self._path} can no longer be written: {error.strerror};"
                " the run goes on without it"
            )


class _Figures:
    """The figures of one moment, as the client library collects them."""

    def __init__(self, out: str, *, began: float) -> None:
        self._out = out
        self._began = began
        self._view: View | None = None
        self._now = began

    def show(self, view: View, now: float) -> None:
        self._view, self._now = view, now

    def collect(self) -> Iterator[Metric]:
        """What the run's figures are at the moment that was shown last."""
        view = self._view
        if view is None:
            return
        yield self._gauge("run_start_time_seconds", "When the run began.", self._began)
        yield self._gauge("run_last_seen_time_seconds", "When this was written.", self._now)
        yield self._items(view)
        yield self._gauge("edits_in_flight", "Edits that are being sent.", view.in_flight)
        yield self._gauge("edits_waiting", "Edits that wait to be sent again.", view.waiting)
        yield self._counter("attempts", "POSTs of this run.", view.attempts)
        yield self._counter("spent_usd", "What this run has paid, in USD.", usd(view.spent))
        yield self._gauge(
            "exposure_usd",
            "What may have been spent besides: uncertain attempts, in USD.",
            usd(view.exposure),
        )
        yield self._gauge("edits_per_second", "Edits paid a second, lately.", view.rate_now)
        if view.pace is not None:
            yield self._gauge("pace", "Starts a second that the gateway bears.", view.pace)
        if view.left is not None:
            yield self._gauge("left_usd", "What the caps leave, in USD.", usd(view.left))
        if view.summary is not None:
            yield from self._ending(view.summary)

    def _ending(self, summary: Summary) -> Iterator[Metric]:
        yield self._gauge("run_end_time_seconds", "When the run ended.", self._now)
        yield self._gauge("run_exit_status", "How it ended.", int(summary.exit_status))
        yield self._gauge(
            "ledger_paid_usd",
            "What the ledger has ever paid, in USD.",
            usd(summary.cost.ledger_total),
        )
        yield self._gauge(
            "maybe_twice_usd",
            "What may have been paid twice, in USD.",
            usd(summary.cost.maybe_twice),
        )
        stopped = GaugeMetricFamily(
            "qwenbatch_run_stopped",
            "1 for the reason why the run stopped early.",
            labels=(*LABELS, "reason"),
        )
        for reason in StopReason:
            stopped.add_metric((self._out, reason), float(reason is summary.stopped_by))
        yield stopped
        failures = GaugeMetricFamily(
            "qwenbatch_failures",
            "Items that are not saved, by their last kind of failure.",
            labels=(*LABELS, "kind"),
        )
        for kind, items in sorted(summary.failures.items()):
            failures.add_metric((self._out, kind), items)
        yield failures

    def _items(self, view: View) -> Metric:
        family = GaugeMetricFamily(
            "qwenbatch_items",
            "Items of the manifest, by state.",
            labels=(*LABELS, "state"),
        )
        for state, count in asdict(view.items).items():
            if state not in {"total", "reused"}:
                family.add_metric((self._out, state), count)
        return family

    def _gauge(self, name: str, told: str, value: float) -> Metric:
        family = GaugeMetricFamily(f"qwenbatch_{name}", told, labels=LABELS)
        family.add_metric((self._out,), value)
        return family

    def _counter(self, name: str, told: str, value: float) -> Metric:
        family = CounterMetricFamily(f"qwenbatch_{name}", told, labels=LABELS)
        family.add_metric((self._out,), value)
        return family
