"""The head of a fleet: the actor that leads the run where the ledger's disk is.

killed before the run begins    Ray starts it again; nothing was reserved
killed in the run               it goes on under the same name, number and caps: `sending` is
held for its workers, who live on, and lease anew
killed with a worker            what only that worker knew is doubted a lease's time later,
unless it comes back on that machine and hands in its spool
killed after the run's end      the ledger says how it had ended; so does the head
its driver killed               it goes on; the next driver of the same command watches it
"""

from __future__ import annotations

import asyncio
import os
import traceback
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from qwenbatch.errors import QwenbatchError
from qwenbatch.fleet import cluster
from qwenbatch.fleet.audience import Audience, Ended, Seen
from qwenbatch.fleet.ports import KeeperLostError
from qwenbatch.wiring.fleet_batch import FleetBatch
from qwenbatch.wiring.fleet_worker import FleetWorker, WorkerOrders
from qwenbatch.wiring.settings import RunSettings
from qwenbatch.wiring.sole import sole_error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from qwenbatch.core.canary import Canary
    from qwenbatch.core.stops import StopReason
    from qwenbatch.core.summary import Estimate
    from qwenbatch.fleet.keeper import Keeper
    from qwenbatch.fleet.messages import Exchange, Hello, Reply, Welcome

LOOK = 5.0
"""Seconds between two looks at whether machines have joined the fleet."""

FAREWELL = 5.0
"""Seconds that a worker has to close its doors."""

KEPT = 12 * 3600.0
"""Seconds for which the head of a run that is over waits for a driver that asks how it ended.

Less than a day: a nightly command must not be told of the night before.
"""


class HeadOrders(msgspec.Struct, frozen=True, kw_only=True):
    """What a head is told when it is started, and again when Ray starts it again.

    `began` is the run's first moment in seconds since the epoch. `local`: a Ray of our own.
    """

    settings: RunSettings
    fleet: str
    run: str
    began: float
    local: bool


class FleetHead:
    """An actor: it leads its run from the moment at which it is there."""

    async def __init__(self, orders: HeadOrders) -> None:  # type: ignore[misc] # Ray awaits it
        self._orders = orders
        self._audience = Audience()
        self._keeper: Keeper | None = None
        self._stops: asyncio.Queue[StopReason] = asyncio.Queue()
        self._batch: FleetBatch | None = None
        self._main = asyncio.create_task(self._lead())

    # ------------------------------------------------------------------ for workers

    async def hello(self, hello: Hello) -> Welcome | QwenbatchError | None:
        """A lease; an error that says why there is none; None while there is no keeper."""
        if self._keeper is None:
            return None
        try:
            return await self._keeper.hello(hello)
        except QwenbatchError as error:
            return error

    async def exchange(self, exchange: Exchange) -> Reply | None:
        """What a worker brings and takes home; None while there is no keeper."""
        return None if self._keeper is None else await self._keeper.exchange(exchange)

    # ------------------------------------------------------------------ for drivers

    async def pid(self) -> int:
        """The process that this is."""
        return os.getpid()

    async def settings(self) -> RunSettings:
        """What the run that it leads was told."""
        return self._orders.settings

    async def is_over(self) -> bool:
        """Whether its run has ended, and nobody has asked yet how."""
        return self._audience.ended is not None

    async def attach(self) -> int:
        """A new viewer's number."""
        standing = None
        if self._batch is not None and self._audience.planned is not None:
            standing = await self._batch.standing(self._audience.planned)
        return self._audience.attach(standing)

    async def see(self, viewer: int) -> Seen | None:
        """What is new for a viewer; None: it must attach anew."""
        return await self._audience.see(viewer)

    async def leave(self, viewer: int) -> bool:
        """A viewer has seen the end; whether it was the last that still watches."""
        return self._audience.leave(viewer)

    async def answer(self, question: int, yes: bool) -> None:  # noqa: FBT001 - Ray passes it on
        """What a person says to a question."""
        self._audience.answer(question, yes=yes)

    async def stop(self, reason: StopReason) -> None:
        """Stop the run; said again: give up what is in flight."""
        self._stops.put_nowait(reason)

    # ------------------------------------------------------------------ the run

    async def _lead(self) -> None:
        ended = Ended()
        try:
            self._batch = FleetBatch(
                self._orders.settings,
                crew=_Crew(self._orders, self._set_keeper),
                report=self._audience.report,
                ask=self._ask,
                approve=self._approve,
                stops=self._told_stops,
                name=self._orders.run,
                began=self._orders.began,
            )
            ended = Ended(summary=await self._batch.run())
        except QwenbatchError as error:
            ended = Ended(error=error)
        except BaseExceptionGroup as group:
            ours = sole_error(group)
            ended = Ended(error=ours) if ours else Ended(defect=_words(group))
        except Exception as error:  # noqa: BLE001 - its driver raises it
            ended = Ended(defect=_words(error))
        self._batch = None
        self._audience.end(ended)
        await anyio.sleep(KEPT)
        cluster.end(cluster.this_actor())

    def _set_keeper(self, keeper: Keeper | None) -> None:
        self._keeper = keeper

    async def _ask(self, estimate: Estimate) -> bool:
        return await self._audience.ask(estimate)

    async def _approve(self, canaries: Sequence[Canary], /) -> bool:
        return await self._audience.ask(canaries)

    @contextmanager
    def _told_stops(self) -> Iterator[AsyncIterator[StopReason]]:
        async def told() -> AsyncIterator[StopReason]:
            while True:
                yield await self._stops.get()

        yield told()


class _Crew:
    """Workers, one on each machine that lends a CPU, also on those that join later."""

    def __init__(self, orders: HeadOrders, set_keeper: Any) -> None:
        self._orders = orders
        self._set_keeper = set_keeper
        self._workers: dict[str, Any] = {}

    @property
    def host(self) -> str:
        """The address of this machine at which workers reach it."""
        return "127.0.0.1" if self._orders.local else cluster.own_address()

    @property
    def expected(self) -> int:
        """How many workers there will be, as far as is known now."""
        return max(1, len(cluster.working_nodes()))

    @asynccontextmanager
    async def called_in(self, keeper: Keeper) -> AsyncIterator[None]:
        """Have workers call this keeper while this is held."""
        async with anyio.create_task_group() as group:
            self._set_keeper(keeper)
            group.start_soon(self._keep_calling)
            try:
                yield
            finally:
                group.cancel_scope.cancel()
                with anyio.CancelScope(shield=True):
                    await self._let_go()
                self._set_keeper(None)

    async def _keep_calling(self) -> None:
        head = cluster.Counter(cluster.this_actor())
        while True:
            for node in await asyncio.to_thread(cluster.working_nodes):
                if node not in self._workers:
                    name = f"{self._orders.fleet}-{node}"
                    orders = WorkerOrders(
                        settings=self._orders.settings, fleet=self._orders.fleet, worker=name
                    )
                    self._workers[node] = cluster.start(
                        FleetWorker, name, node, orders, head, cpus=cluster.WORKERS_CPU
                    )
            await anyio.sleep(LOOK)

    async def _let_go(self) -> None:
        async with anyio.create_task_group() as group:
            for worker in self._workers.values():
                group.start_soon(_dismiss, worker)


async def _dismiss(worker: Any) -> None:
    with suppress(KeeperLostError, Exception):
        await cluster.call(worker.close, seconds=FAREWELL)
    cluster.end(worker)


def _words(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))
