"""A worker's end of its line to the keeper: calls are gathered, sent, sent again, answered once.

Two exchanges are under way at the most: one that waits at the keeper for something to take home,
and one that brings what came up meanwhile.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import anyio

from qwenbatch.fleet.messages import Ask, Call, Exchange, Message
from qwenbatch.fleet.ports import KeeperLostError

if TYPE_CHECKING:
    from collections.abc import Callable

    from qwenbatch.fleet.messages import Answer, Errand, Reply
    from qwenbatch.fleet.ports import Counter

GATHERING = 0.02
"""Seconds for which calls that come up go with the first."""

PATIENCE = 0.2
"""Seconds between two tries to reach a keeper that is not there."""


class _Open:
    """A call that has no answer yet."""

    def __init__(self, message: Message) -> None:
        self.message = message
        self.done = anyio.Event()
        self.answer: Answer | None = None


class Wire:
    """The line of one worker; leases come and go on it, its calls stay until they are answered.

    `want` says how many more errands there are hands for. `heard` is told of each reply, with the
    moment at which its exchange was sent; `take` of each errand, once.
    """

    def __init__(
        self,
        counter: Counter,
        *,
        want: Callable[[], int],
        heard: Callable[[Reply, float], None],
        take: Callable[[Errand], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._counter = counter
        self._want = want
        self._heard = heard
        self._take = take
        self._now = monotonic
        self._numbers = count(1)
        self._open: dict[int, _Open] = {}
        self._unsent: list[int] = []
        self._got: list[int] = []
        self._taken: list[int] = []
        self._seen: set[int] = set()
        self._again = False
        self._waiting = 0
        self._outgoing = anyio.Event()
        self._door = anyio.Lock()

    async def ask(self, message: Message) -> Any:
        """Send a message; its answer, however long that takes. Errors of ours are raised."""
        number = self._queue(message)
        opened = self._open[number]
        await opened.done.wait()
        answer = opened.answer
        if answer is None:
            return None
        if answer.error is not None:
            raise answer.error
        return answer.value

    def tell(self, message: Message) -> None:
        """Send a message; its answer says nothing."""
        self._queue(message)

    def forget_asks(self) -> None:
        """The lease is over: nobody is given a permit that was asked for under it."""
        for number, opened in list(self._open.items()):
            if isinstance(opened.message, Ask):
                del self._open[number]
                opened.done.set()

    async def serve(self, fence: int) -> None:
        """Exchange under a lease, until cancelled."""
        self._unsent = sorted(self._open)
        self._got, self._taken, self._again, self._waiting = [], [], False, 0
        self._seen.clear()
        async with anyio.create_task_group() as group:
            group.start_soon(self._send, fence)
            group.start_soon(self._send, fence)

    # ------------------------------------------------------------------ to and fro

    def _queue(self, message: Message) -> int:
        number = next(self._numbers)
        self._open[number] = _Open(message)
        self._unsent.append(number)
        self._outgoing.set()
        return number

    async def _send(self, fence: int) -> None:
        while True:
            async with self._door:
                if self._waiting:
                    await self._outgoing.wait()
                if self._unsent:
                    await anyio.sleep(GATHERING)
                exchange = self._pack(fence)
                self._waiting += 1
            sent = self._now()
            try:
                reply = await self._counter.exchange(exchange)
            except KeeperLostError:
                self._unsent, self._again = sorted(self._open), True
                self._got += exchange.got
                self._taken += exchange.taken
                await anyio.sleep(PATIENCE)
            else:
                # The keeper knows that these arrived, and gives them no more.
                self._seen.difference_update(exchange.taken)
                self._receive(reply)
                self._heard(reply, sent)
            finally:
                self._waiting -= 1
                # Whoever is at the door takes the place of the one that waited at the keeper.
                self._outgoing.set()

    def _pack(self, fence: int) -> Exchange:
        self._outgoing = anyio.Event()
        calls = tuple(
            Call(number, self._open[number].message)
            for number in self._unsent
            if number in self._open
        )
        exchange = Exchange(
            fence=fence,
            calls=calls,
            got=tuple(self._got),
            taken=tuple(self._taken),
            want=self._want(),
            again=self._again,
        )
        self._unsent, self._got, self._taken, self._again = [], [], [], False
        return exchange

    def _receive(self, reply: Reply) -> None:
        for answer in reply.answers:
            self._got.append(answer.number)
            opened = self._open.pop(answer.number, None)
            if opened is not None:
                opened.answer = answer
                opened.done.set()
        for errand in reply.errands:
            self._taken.append(errand.number)
            if errand.number not in self._seen:
                self._seen.add(errand.number)
                self._take(errand)
