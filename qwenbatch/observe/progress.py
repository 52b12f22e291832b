"""How a run stands, folded from its events alone: no clock, no I/O.

Items are counted by state: an event of an edit tells how many of them share it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, assert_never

from msgspec.structs import replace

from qwenbatch.core.events import (
    AttemptEnded,
    AttemptSent,
    Event,
    FetchFailed,
    PaceChanged,
    Planned,
    Planning,
    Proxied,
    ResultLost,
    ResultSaved,
    RowRefused,
    RowWarned,
    RunClosed,
    RunOpened,
    Stopping,
)
from qwenbatch.core.money import NOTHING, MicroUSD
from qwenbatch.core.outcomes import ItemState
from qwenbatch.core.summary import ItemCounts
from qwenbatch.core.verdicts import RETRIED_ONCE, VERDICTS, Kind, Verdict
from qwenbatch.observe.bounds import Bound, bound_of
from qwenbatch.observe.speed import Speed
from qwenbatch.observe.view import Failure, View

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from qwenbatch.core.summary import Estimate, Summary

LAST_FAILURES = 5
"""So many of the last failures are kept."""


_NEARLY = 0.98
"""The share of a told rate at which it counts as reached."""

_SAVED_FROM = (ItemState.PENDING, ItemState.UNCERTAIN, ItemState.LOST, ItemState.FAILED)


class Progress:
    """The fold: `absorb` each event with its time, ask for a `view` at any time.

    What it holds is bounded by the edits that are in flight, or wait to be sent again or placed.
    """

    def __init__(self) -> None:
        self._opened: RunOpened | None = None
        self._opened_at = 0.0
        self._planned: Planned | None = None
        self._rows = 0
        self._items = ItemCounts()
        self._flying: dict[str, AbstractSet[Kind]] = {}
        self._waiting: dict[str, AbstractSet[Kind]] = {}
        self._given_up = 0
        self._placing: set[str] = set()
        self._paid = Speed()
        self._ended = Speed()
        self._saved = Speed()
        self._attempts = 0
        self._spent = NOTHING
        self._exposure_before = NOTHING
        self._exposure = NOTHING
        self._pace: float | None = None
        self._gate_until = 0.0
        self._failures: deque[Failure] = deque(maxlen=LAST_FAILURES)
        self._stopping: Stopping | None = None
        self._summary: Summary | None = None

    def absorb(self, event: Event, now: float) -> None:  # noqa: C901, PLR0912 - one case an event
        """Take in an event that happened at `now`, seconds of a monotonic clock."""
        match event:
            case RunOpened():
                self._opened, self._opened_at = event, now
            case Planning(rows=rows):
                self._rows = rows
            case RowRefused():
                self._refuse()
            case RowWarned() | Proxied():
                pass
            case Planned():
                self._plan(event, now)
            case AttemptSent():
                self._send(event, now)
            case AttemptEnded():
                self._end(event, now)
            case PaceChanged(rate=rate, wait=wait):
                self._pace, self._gate_until = rate, now + wait
            case FetchFailed(key=key, reason=reason, again_in=again_in):
                self._failures.append(Failure(key[:12], Kind.UNFETCHED, reason, again_in))
                self._given_up += again_in is None
                if again_in is None:
                    self._placing.discard(key)
            case ResultSaved():
                self._save(event, now)
            case ResultLost(key=key, path=path, reason=reason, items=items):
                self._placing.discard(key)
                self._failures.append(Failure(path, Kind.UNFETCHED, reason, None))
                self._move(items, ItemState.LOST)
            case Stopping():
                self._stopping = self._stopping or event
            case RunClosed(summary=summary):
                self._close(summary)
            case _:
                assert_never(event)

    def view(self, now: float) -> View:
        """How the run stands at `now`."""
        speed = self._paid if self._attempts else self._saved
        return View(
            opened=self._opened,
            planned=self._planned,
            rows=self._rows,
            items=self._items,
            in_flight=len(self._flying),
            waiting=len(self._waiting),
            attempts=self._attempts,
            spent=self._spent,
            exposure=MicroUSD(self._exposure_before + self._exposure),
            projected=self._projected(),
            left=self._left(),
            rate_now=speed.recent(now),
            rate_overall=speed.overall(now),
            pace=self._pace,
            gate=max(0.0, self._gate_until - now),
            bound=self._bound(now),
            placing=len(self._placing),
            deadline=self._deadline(now),
            failures=tuple(self._failures),
            stopping=self._stopping,
            summary=self._summary,
            eta=self._eta(now),
        )

    def _refuse(self) -> None:
        if self._planned is None:
            self._items = replace(
                self._items,
                total=self._items.total + 1,
                invalid=self._items.invalid + 1,
            )
        else:
            self._move(1, ItemState.INVALID)

    def _plan(self, event: Planned, now: float) -> None:
        self._planned = event
        self._exposure_before = event.exposure
        self._items = event.items
        self._saved.start(now)

    def _send(self, event: AttemptSent, now: float) -> None:
        self._flying[event.attempt] = self._waiting.pop(event.key, frozenset())
        self._attempts += 1
        self._paid.start(now)
        self._ended.start(now)

    def _end(self, event: AttemptEnded, now: float) -> None:
        before = self._flying.pop(event.attempt, frozenset())
        kind = event.kind
        if kind is None:
            self._paid.add(now)
            self._ended.add(now)
            self._spent = MicroUSD(self._spent + event.cost)
            self._placing.add(event.key)
            return
        if kind is not Kind.THROTTLED:
            self._failures.append(Failure(event.image, kind, event.message, event.again_in))
        if VERDICTS.get(kind) is Verdict.UNCERTAIN:
            self._exposure = MicroUSD(self._exposure + event.cost)
        if kind is Kind.SOURCE_CHANGED:
            # Its permit was released: it was no attempt, and what is sent next has another key.
            self._attempts = max(0, self._attempts - 1)
        elif event.again_in is not None:
            self._waiting[event.key] = before | ({kind} & RETRIED_ONCE)
        if event.again_in is None:
            self._ended.add(now)
            self._settle(kind, before, event.items)

    def _settle(self, kind: Kind, before: AbstractSet[Kind], items: int) -> None:
        verdict = VERDICTS.get(kind, Verdict.RETRY)
        if verdict is Verdict.UNCERTAIN:
            self._move(items, ItemState.UNCERTAIN)
        elif verdict is Verdict.FAIL or kind in before:
            self._move(items, ItemState.FAILED)
        else:
            self._given_up += items

    def _save(self, event: ResultSaved, now: float) -> None:
        self._saved.add(now, event.items)
        self._placing.discard(event.key)
        moved = self._move(event.items, ItemState.SAVED)
        if event.reused:
            self._items = replace(self._items, reused=self._items.reused + moved)

    def _close(self, summary: Summary) -> None:
        self._summary = summary
        self._items = summary.items
        self._spent = summary.cost.spent
        self._flying.clear()
        self._waiting.clear()

    def _move(self, number: int, to: ItemState) -> int:
        """Count items anew; only what is saved can have been anything but pending before."""
        moved = 0
        for origin in _SAVED_FROM if to is ItemState.SAVED else (ItemState.PENDING,):
            there: int = getattr(self._items, origin)
            taken = min(there, number - moved)
            if taken > 0:
                counts = {origin.value: there - taken, to.value: getattr(self._items, to) + taken}
                self._items = replace(self._items, **counts)
                moved += taken
        return moved

    def _estimate(self) -> Estimate | None:
        return None if self._planned is None else self._planned.estimate

    def _edits_left(self) -> int:
        estimate = self._estimate()
        left = 0 if estimate is None else max(0, estimate.edits - self._ended.total)
        return left if self._stopping is None else min(left, len(self._flying))

    def _projected(self) -> MicroUSD | None:
        estimate = self._estimate()
        if estimate is None:
            return None
        to_come = estimate.cost * self._edits_left() // max(1, estimate.edits)
        return MicroUSD(self._spent + self._exposure + to_come)

    def _left(self) -> MicroUSD | None:
        estimate = self._estimate()
        if estimate is None or estimate.left is None:
            return None
        return MicroUSD(max(0, estimate.left - self._spent - self._exposure))

    def _deadline(self, now: float) -> float | None:
        opened = self._opened
        if opened is None or opened.ends_in is None:
            return None
        return max(0.0, self._opened_at + opened.ends_in - now)

    def _bound(self, now: float) -> Bound | None:
        estimate, opened, flying = self._estimate(), self._opened, len(self._flying)
        unsent = self._edits_left() - flying
        if estimate is None or opened is None or not opened.concurrency or unsent <= 0:
            return None
        left, price = self._left(), estimate.cost // max(1, estimate.edits)
        return bound_of(
            gate=max(0.0, self._gate_until - now),
            placing=len(self._placing),
            affordable=None if left is None or not price else left // price - flying,
            to_start=unsent - len(self._waiting),
            in_flight=flying,
            concurrency=opened.concurrency,
            throttled=self._pace is not None and self._pace < opened.rate * _NEARLY,
        )

    def _eta(self, now: float) -> float | None:
        if self._planned is None:
            return None
        if self._summary is not None:
            return 0.0
        number, speed = self._edits_left(), self._ended
        if not number:
            number, speed = max(0, self._items.pending - self._given_up), self._saved
        if not number:
            return 0.0
        pace = speed.expected(now)
        return max(0.0, self._gate_until - now) + number / pace if pace else None
