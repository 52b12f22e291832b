"""Who watches a fleet's run from elsewhere: what happened for them, and what they are asked."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import count
from typing import TypeAlias

import anyio
import msgspec

from qwenbatch.core.canary import Canary
from qwenbatch.core.events import Event, Planned, Proxied, RunOpened
from qwenbatch.core.summary import Estimate, Summary
from qwenbatch.errors import QwenbatchError

BEAT = 0.5
"""Seconds for which a viewer is kept waiting for something to see."""

GATHERING = 0.05
"""Seconds for which what comes next is seen together."""

MOST_UNSEEN = 50_000
"""Events that are kept for a viewer; one that is slower misses the oldest."""

GONE = 3.0
"""Seconds without a look after which a viewer is thought to have gone."""

MOST_VIEWERS = 8
"""Viewers at once; of more, the first is forgotten."""


class Question(msgspec.Struct, frozen=True):
    """What a person is asked: whether to pay so much, or whether the rest may follow."""

    number: int
    about: Estimate | Sequence[Canary]


class Ended(msgspec.Struct, frozen=True):
    """How a run ended: its summary, or what kept it from beginning; or a defect's words."""

    summary: Summary | None = None
    error: QwenbatchError | None = None
    defect: str = ""


class Seen(msgspec.Struct, frozen=True):
    """What there is to see since the viewer looked last."""

    events: tuple[Event, ...] = ()
    question: Question | None = None
    ended: Ended | None = None


_Lasting: TypeAlias = "RunOpened | Proxied | Planned"


class Audience:
    """The viewers of one run. A viewer that comes late is told first how the run stands."""

    def __init__(self) -> None:
        self._viewers: dict[int, deque[Event]] = {}
        self._looked: dict[int, float] = {}
        self._numbers = count(1)
        self._lasting: dict[type[_Lasting], _Lasting] = {}
        self._question: Question | None = None
        self._answer: bool | None = None
        self._news = anyio.Event()
        self.ended: Ended | None = None

    def report(self, event: Event, /) -> None:
        """Take an event of the run."""
        if isinstance(event, RunOpened | Proxied | Planned):
            self._lasting[type(event)] = event
        for unseen in self._viewers.values():
            unseen.append(event)
        self._wake()

    @property
    def planned(self) -> Planned | None:
        """What was planned, once it is."""
        planned = self._lasting.get(Planned)
        return planned if isinstance(planned, Planned) else None

    def attach(self, standing: Planned | None) -> int:
        """A new viewer; `standing` is what is told instead of what was planned."""
        lasting = [
            standing if standing is not None and isinstance(event, Planned) else event
            for event in self._lasting.values()
        ]
        while len(self._viewers) >= MOST_VIEWERS:
            self._forget(min(self._viewers))
        number = next(self._numbers)
        self._looked[number] = anyio.current_time()
        self._viewers[number] = deque(lasting, MOST_UNSEEN)
        return number

    async def see(self, viewer: int) -> Seen | None:
        """What is new for a viewer; waits a little for it. None: it must attach anew."""
        unseen = self._viewers.get(viewer)
        if unseen is None:
            return None
        self._looked[viewer] = anyio.current_time()
        if not unseen and self._question is None and self.ended is None:
            with anyio.move_on_after(BEAT):
                await self._news.wait()
                await anyio.sleep(GATHERING)
        events = tuple(unseen)
        unseen.clear()
        return Seen(events, self._question, self.ended)

    def leave(self, viewer: int) -> bool:
        """A viewer has seen the end; whether it was the last that still watches."""
        self._forget(viewer)
        return all(anyio.current_time() - looked > GONE for looked in self._looked.values())

    def _forget(self, viewer: int) -> None:
        self._viewers.pop(viewer, None)
        self._looked.pop(viewer, None)

    async def ask(self, about: Estimate | Sequence[Canary]) -> bool:
        """Ask whoever watches, now or later, and wait for the answer."""
        self._question, self._answer = Question(next(self._numbers), about), None
        self._wake()
        try:
            while self._answer is None:
                await self._news.wait()
            return self._answer
        finally:
            self._question = None

    def answer(self, question: int, *, yes: bool) -> None:
        """What a viewer says to a question; to one that is no longer asked, nothing."""
        if self._question is not None and self._question.number == question:
            self._answer = yes
            self._wake()

    def end(self, ended: Ended) -> None:
        """The run is over."""
        self.ended = ended
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = anyio.Event()
