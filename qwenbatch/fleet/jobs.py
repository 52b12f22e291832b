"""What the run wants done, in the order in which it is handed out: what is paid for comes first."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import anyio
import msgspec

from qwenbatch.fleet.messages import Conduct, Errand, Finished, Outcome, Place

if TYPE_CHECKING:
    from collections.abc import Callable

    from qwenbatch.core.plan import Conducted, Edit

ERRANDS_PER_FENCE = 1 << 40
"""Numbers between two lives of a keeper, so that none is ever used again."""


class _Job(msgspec.Struct, eq=False):
    task: Conduct | Place
    done: anyio.Event = msgspec.field(default_factory=anyio.Event)
    finished: Finished | None = None


class Jobs:
    """Jobs that wait, and those that are handed out. `offer` is called when one comes to wait.

    How many there are is bounded by whoever asks for them: a run leads a bounded number of lives.
    """

    def __init__(self, first: int, offer: Callable[[], None]) -> None:
        self._next = first * ERRANDS_PER_FENCE
        self._offer = offer
        self._to_place: deque[_Job] = deque()
        self._to_send: deque[_Job] = deque()
        self._out: dict[int, _Job] = {}

    async def do(self, task: Conduct | Place) -> Finished:
        """Have it done by some worker, or by several after each other."""
        job = _Job(task)
        self._queue_of(job).append(job)
        self._offer()
        try:
            await job.done.wait()
        finally:
            if job.finished is None and job in self._queue_of(job):
                self._queue_of(job).remove(job)
        if job.finished is None:
            raise AssertionError  # it is set before the event
        return job.finished

    def next(self) -> Errand | None:
        """The next job as a new errand, if one waits."""
        queue = self._to_place or self._to_send
        if not queue:
            return None
        job = queue.popleft()
        self._next += 1
        self._out[self._next] = job
        return Errand(self._next, job.task)

    def edit_of(self, errand: int) -> Edit | None:
        """The edit that an errand sends, if it is out."""
        job = self._out.get(errand)
        return job.task.edit if job and isinstance(job.task, Conduct) else None

    def finish(self, finished: Finished) -> None:
        """An errand is done; one that was abandoned waits anew."""
        if finished.outcome is Outcome.ABANDONED:
            self.hand_back(finished.errand)
            return
        job = self._out.pop(finished.errand, None)
        if job is not None:
            job.finished = finished
            job.done.set()

    def leave(self, errand: int, value: Conducted) -> None:
        """An errand ends without its worker."""
        self.finish(Finished(errand, Outcome.DONE, value))

    def leave_waiting(self, value: Conducted, *, places: bool) -> None:
        """Nothing more is sent: edits that wait are left so; with `places`, results wait on too."""
        self._leave(self._to_send, value)
        if places:
            self._leave(self._to_place, False)  # noqa: FBT003 - what the errand returns

    def _leave(self, queue: deque[_Job], value: object) -> None:
        while queue:
            job = queue.popleft()
            job.finished = Finished(0, Outcome.DONE, value)
            job.done.set()

    def hand_back(self, errand: int) -> None:
        """An errand was given up: its job is the next of its kind."""
        job = self._out.pop(errand, None)
        if job is not None:
            self._queue_of(job).appendleft(job)
            self._offer()

    def _queue_of(self, job: _Job) -> deque[_Job]:
        return self._to_send if isinstance(job.task, Conduct) else self._to_place
