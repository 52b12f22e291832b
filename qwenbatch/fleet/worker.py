"""A worker: leases one after the other, and the errands that are done under them.

Cut off from the keeper it trusts its lease for a while, then lets no POST go: what is in flight is
awaited and kept in the spool, what has not been sent is dropped, for the keeper hands it out anew.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from qwenbatch.core.plan import Conducted
from qwenbatch.errors import QwenbatchError
from qwenbatch.fleet.messages import Conduct, Errand, Finished, Hello, Outcome
from qwenbatch.fleet.ports import KeeperLostError
from qwenbatch.fleet.ways import DOING, Doing, Lease
from qwenbatch.fleet.wire import PATIENCE, Wire

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from anyio.abc import TaskGroup

    from qwenbatch.core.attempts import AttemptId
    from qwenbatch.fleet.messages import Reply, Welcome
    from qwenbatch.fleet.ports import Counter, Hands

LOOK = 0.2
"""Seconds between two looks at whether the lease is still to be trusted."""

HANDS_PER_SLOT = 2
"""Errands that are under way for each edit in flight: one is made ready while another flies."""


class Self(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker says of itself."""

    worker: str
    node: str
    version: str


class Worker:
    """Works for one keeper.

    `prepare` is awaited with each lease's welcome; `hands_for` gives what does its errands.
    """

    def __init__(
        self,
        me: Self,
        counter: Counter,
        *,
        hands_for: Callable[[Worker, Lease, Welcome], Hands],
        prepare: Callable[[Welcome], Awaitable[None]],
        monotonic: Callable[[], float],
    ) -> None:
        self._me = me
        self._counter = counter
        self._hands_for = hands_for
        self._prepare = prepare
        self._now = monotonic
        self._under_way = 0
        self._admitted = False
        self._group: TaskGroup
        self._scopes: set[anyio.CancelScope] = set()
        self._lease: Lease | None = None
        self._hands: Hands
        self.slots = anyio.CapacityLimiter(1)
        """This worker's share of the edits in flight."""
        self.flying: set[AttemptId] = set()
        """Attempts that have a permit, and whose end is not in the ledger yet."""
        self.wire = Wire(
            counter,
            want=self._want,
            heard=self._heard,
            take=self._take,
            monotonic=monotonic,
        )

    async def work(
        self, reports: Sequence[Any], *, admitted: Callable[[], None] = lambda: None
    ) -> None:
        """Work until cancelled, or until the keeper will have no more of it: QwenbatchError.

        `reports` are what a dead worker left in its spools; `admitted` is called once the keeper
        has them, before anything is sent.
        """
        async with anyio.create_task_group() as self._group:
            while True:
                asked = self._now()
                welcome = await self._hello(reports)
                if not self._admitted:
                    admitted()
                    self._admitted, reports = True, ()
                await self._prepare(welcome)
                await self._serve(Lease(welcome, asked, self._now), welcome)

    async def _hello(self, reports: Sequence[Any]) -> Welcome:
        while True:
            try:
                return await self._counter.hello(
                    Hello(
                        worker=self._me.worker,
                        node=self._me.node,
                        version=self._me.version,
                        reports=reports,
                        flying=tuple(self.flying),
                    )
                )
            except KeeperLostError:
                await anyio.sleep(PATIENCE)

    async def _serve(self, lease: Lease, welcome: Welcome) -> None:
        """Work under a lease until it is over."""
        self._lease = lease
        self._hands = self._hands_for(self, lease, welcome)
        async with anyio.create_task_group() as group:
            group.start_soon(self.wire.serve, lease.fence)
            group.start_soon(self._watch, lease)
            await lease.over.wait()
            group.cancel_scope.cancel()
        self.wire.forget_asks()

    async def _watch(self, lease: Lease) -> None:
        while True:
            await anyio.sleep(LOOK)
            lease.is_trusted()

    # ------------------------------------------------------------------ what the wire asks

    def _want(self) -> int:
        return max(0, HANDS_PER_SLOT * int(self.slots.total_tokens) - self._under_way)

    def _heard(self, reply: Reply, asked: float) -> None:
        lease = self._lease
        if lease is None:
            return
        if reply.gone:
            lease.end()
            return
        lease.renewed(asked)
        self.slots.total_tokens = max(1, reply.slots)
        if reply.stopping:
            lease.stop.set()
        if reply.give_up:
            for scope in self._scopes:
                scope.cancel()

    def _take(self, errand: Errand) -> None:
        if self._lease is not None:
            self._under_way += 1
            self._group.start_soon(self._do, self._lease, self._hands, errand)

    # ------------------------------------------------------------------ errands

    async def _do(self, lease: Lease, hands: Hands, errand: Errand) -> None:
        finished = Finished(errand.number, Outcome.ABANDONED)
        with anyio.CancelScope() as scope:
            self._scopes.add(scope)
            try:
                finished = await self._done(lease, hands, errand)
            finally:
                self._scopes.discard(scope)
                self._under_way -= 1
        self.wire.tell(finished)

    async def _done(self, lease: Lease, hands: Hands, errand: Errand) -> Finished:
        doing = Doing(errand.number)
        DOING.set(doing)
        value: Any
        try:
            match errand.task:
                case Conduct(edit):
                    value = await hands.conduct(edit)
                case place:
                    await hands.place(place.key, paid_now=place.paid_now, waits=place.waits)
                    value = not doing.gave_up_placing
        except QwenbatchError as error:
            outcome = Outcome.ABANDONED if lease.over.is_set() else Outcome.REFUSED
            return Finished(errand.number, outcome, error=error)
        except Exception:  # noqa: BLE001 - a defect: the keeper raises it where the run sees it
            return Finished(errand.number, Outcome.BROKEN, defect=traceback.format_exc())
        # What is paid is paid, whatever became of the lease.
        abandoned = lease.over.is_set() and value is not Conducted.EDITED
        outcome = Outcome.ABANDONED if abandoned else Outcome.DONE
        return Finished(errand.number, outcome, value)
