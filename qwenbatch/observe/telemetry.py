"""A run as OpenTelemetry tells it: a span an edit, one for each of its attempts, and figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry.trace import Status, StatusCode, set_span_in_context

from qwenbatch.core.events import (
    AttemptEnded,
    AttemptSent,
    FetchFailed,
    ResultLost,
    ResultSaved,
    RunClosed,
    RunOpened,
)
from qwenbatch.core.money import usd
from qwenbatch.core.plain_urls import without_queries

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import Meter
    from opentelemetry.trace import Span, Tracer

    from qwenbatch.core.events import Event

_FAILED = StatusCode.ERROR


@dataclass(slots=True)
class _Edit:
    """An edit that was sent; `unplaced` items still wait for its result, once it is paid."""

    span: Span
    unplaced: int | None = None


class Telemetry:
    """An observer that keeps spans and figures; whoever made tracer and meter has them exported.

    An edit's span lasts from its first attempt to its last placement; what is open when the run
    ends, ends with it. All of them belong to the span of the run, whose parent is `parent`.
    """

    def __init__(self, tracer: Tracer, meter: Meter, *, parent: Context | None) -> None:
        self._tracer = tracer
        self._parent = parent
        self._run: Span | None = None
        self._edits: dict[str, _Edit] = {}
        self._attempts: dict[str, Span] = {}
        self._flying = meter.create_up_down_counter("qwenbatch.in_flight", "{edit}")
        self._ended = meter.create_counter("qwenbatch.attempts", "{attempt}")
        self._took = meter.create_histogram("qwenbatch.attempt.duration", "s")
        self._spent = meter.create_counter("qwenbatch.spent", "USD", "What this run has paid.")
        self._doubt = meter.create_counter("qwenbatch.exposure", "USD", "What may be paid besides.")
        self._items = meter.create_counter("qwenbatch.items", "{item}", "Saved or lost, by state.")

    def __call__(self, event: Event) -> None:
        """Take in an event."""
        match event:
            case RunOpened():
                self._open(event)
            case AttemptSent():
                self._send(event)
            case AttemptEnded():
                self._end_attempt(event)
            case ResultSaved(key=key, items=items):
                self._items.add(items, {"state": "saved"})
                self._placed(key, items)
            case ResultLost(key=key, reason=reason, items=items):
                self._items.add(items, {"state": "lost"})
                self._note(key, "lost", reason)
                self._placed(key, items)
            case FetchFailed(key=key, reason=reason, again_in=again_in):
                self._note(key, "fetch failed", reason)
                if again_in is None:
                    self._end_edit(key, Status(_FAILED, "unfetched"))
            case RunClosed():
                self._close(event)
            case _:
                pass

    def _open(self, event: RunOpened) -> None:
        told: dict[str, str | bool] = {
            "qwenbatch.run": event.run,
            "qwenbatch.sandbox": event.sandbox,
        }
        self._run = self._tracer.start_span("run", context=self._parent, attributes=told)

    def _send(self, event: AttemptSent) -> None:
        edit = self._edits.get(event.key)
        if edit is None:
            above = self._parent if self._run is None else set_span_in_context(self._run)
            told = {
                "qwenbatch.edit": event.key,
                "qwenbatch.image": without_queries(event.image),
            }
            edit = _Edit(self._tracer.start_span("edit", context=above, attributes=told))
            self._edits[event.key] = edit
        self._attempts[event.attempt] = self._tracer.start_span(
            "attempt",
            context=set_span_in_context(edit.span),
            attributes={"qwenbatch.attempt": event.attempt},
        )
        self._flying.add(1)

    def _end_attempt(self, event: AttemptEnded) -> None:
        kind = "edited" if event.kind is None else str(event.kind)
        self._ended.add(1, {"kind": kind})
        self._took.record(event.seconds, {"kind": kind})
        (self._spent if event.kind is None else self._doubt).add(usd(event.cost))
        span = self._attempts.pop(event.attempt, None)
        failed = None if event.kind is None else Status(_FAILED, kind)
        if span is not None:
            self._flying.add(-1)
            span.set_attributes(
                {
                    "qwenbatch.kind": kind,
                    "qwenbatch.cost": usd(event.cost),
                    "qwenbatch.request_id": event.request_id,
                },
            )
            if event.status is not None:
                span.set_attribute("http.response.status_code", event.status)
            _end(span, failed)
        edit = self._edits.get(event.key)
        if failed is None and edit is not None:
            edit.unplaced = event.items
        elif event.again_in is None:
            self._end_edit(event.key, failed)

    def _note(self, key: str, what: str, reason: str) -> None:
        edit = self._edits.get(key)
        if edit is not None:
            edit.span.add_event(what, {"reason": without_queries(reason)})

    def _placed(self, key: str, items: int) -> None:
        edit = self._edits.get(key)
        if edit is None or edit.unplaced is None:
            return
        edit.unplaced -= items
        if edit.unplaced <= 0:
            self._end_edit(key, None)

    def _end_edit(self, key: str, status: Status | None) -> None:
        edit = self._edits.pop(key, None)
        if edit is not None:
            _end(edit.span, status)

    def _close(self, event: RunClosed) -> None:
        left = Status(_FAILED, "the run ended before it did")
        for attempt in self._attempts.values():
            _end(attempt, left)
        for key in tuple(self._edits):
            self._end_edit(key, left)
        self._attempts.clear()
        if self._run is not None:
            status = int(event.summary.exit_status)
            self._run.set_attribute("process.exit.code", status)
            _end(self._run, Status(_FAILED, f"exit status {status}") if status else None)


def _end(span: Span, status: Status | None) -> None:
    if status is not None:
        span.set_status(status)
    span.end()
