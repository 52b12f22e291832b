"""The keeper's end of its line to one worker: nothing is lost on it, and nothing done twice.

A worker sends again what was not answered; the keeper gives again what did not arrive. Both name
calls and errands by their numbers, and forget them once the other side says that it has them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from qwenbatch.fleet.messages import Answer, Call, Errand, Exchange, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

BEAT = 1.0
"""Seconds for which a worker's exchange is kept waiting for something to take home."""

GATHERING = 0.02
"""Seconds for which whatever comes next goes home in the same reply."""


class Line:
    """What one lease's worker is still to be given, and which of its calls are known."""

    def __init__(self, fence: int) -> None:
        self.fence = fence
        self.want = 0
        self._known: set[int] = set()
        self._answers: dict[int, Answer] = {}
        self._errands: dict[int, Errand] = {}
        self._fresh_answers: list[Answer] = []
        self._fresh_errands: list[Errand] = []
        self._parked: anyio.Event | None = None

    def take(self, exchange: Exchange) -> Iterator[Call]:
        """Forget what arrived; the calls that were not known before."""
        for number in exchange.got:
            self._answers.pop(number, None)
            self._known.discard(number)
        for number in exchange.taken:
            self._errands.pop(number, None)
        if exchange.again:
            self._fresh_answers = list(self._answers.values())
            self._fresh_errands = list(self._errands.values())
        self.want = max(0, exchange.want - len(self._errands))
        for call in exchange.calls:
            if call.number not in self._known:
                self._known.add(call.number)
                yield call

    def answer(self, answer: Answer) -> None:
        """What came of a call."""
        self._answers[answer.number] = answer
        self._fresh_answers.append(answer)
        self.wake()

    def hand(self, errand: Errand) -> None:
        """Something to do."""
        self.want -= 1
        self._errands[errand.number] = errand
        self._fresh_errands.append(errand)
        self.wake()

    def wake(self) -> None:
        """Let the exchange that waits go home."""
        if self._parked is not None:
            self._parked.set()

    async def gather(self) -> None:
        """Wait until there is something to take home, for a beat at the most.

        One exchange waits; the one that waited before goes home.
        """
        self.wake()
        mine = self._parked = anyio.Event()
        if self._fresh_answers or self._fresh_errands:
            mine.set()
        with anyio.move_on_after(BEAT):
            await mine.wait()
            await anyio.sleep(GATHERING)

    def reply(self, *, stopping: bool, give_up: bool, slots: int) -> Reply:
        """All that is there to take home."""
        answers, self._fresh_answers = self._fresh_answers, []
        errands, self._fresh_errands = self._fresh_errands, []
        return Reply(
            answers=tuple(answers),
            errands=tuple(errands),
            stopping=stopping,
            give_up=give_up,
            slots=slots,
        )
