"""A fleet whose edits cost nothing and take no time: what is left is lease, permit and report."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from qwenbatch.core.attempts import AttemptEnd, AttemptId, Permit, PermitRequest
from qwenbatch.core.budget import Caps
from qwenbatch.core.leases import LeaseTable
from qwenbatch.core.money import MicroUSD
from qwenbatch.core.pacing import Pace
from qwenbatch.core.plan import Conducted, Edit, Fate
from qwenbatch.core.states import EditEvent, EditState
from qwenbatch.engine.governor import Governor
from qwenbatch.fleet import cluster
from qwenbatch.fleet.afar import ConductorAfar
from qwenbatch.fleet.keeper import Fleet, Keeper
from qwenbatch.fleet.ways import PermitsAfar
from qwenbatch.fleet.worker import Self, Worker
from qwenbatch.ledger import database
from qwenbatch.ledger.ledger import Ledger
from qwenbatch.ledger.spool import Spool
from qwenbatch.ledger.writer import Writer
from qwenbatch.wiring.clock import SystemClock
from qwenbatch.wiring.fleet_books import FleetBooks
from qwenbatch.wiring.fleet_spools import WorkerSpools
from tests.benchmarks.settled import shop_item

if TYPE_CHECKING:
    from qwenbatch.core.keys import EditKey
    from qwenbatch.fleet.messages import Exchange, Hello, Reply, Welcome
    from qwenbatch.fleet.ways import Lease

PRICE = MicroUSD(55_000)
LIVES = 1024
CONCURRENCY = 256


class BenchKeeper:
    """The keeper of a fleet, with a ledger on this machine's disk and no run around it."""

    async def __init__(self) -> None:  # type: ignore[misc] # Ray awaits it
        self._stack = AsyncExitStack()
        folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="bench-fleet-")))
        clock = SystemClock()
        connection = database.create_or_open(folder / "ledger.db", service="sandbox")
        writer = self._stack.enter_context(closing(Writer(connection)))
        spool = self._stack.enter_context(closing(Spool(folder / "spool", records=8)))
        ledger = Ledger(writer, run=1, caps=Caps(), spool=spool, wall=clock.wall)
        governor = Governor(
            concurrency=CONCURRENCY,
            pace=Pace(most=1e6, learned=None, now=clock.monotonic()),
            deadline=None,
            room=lambda _: True,
            clock=clock,
            report=lambda _: None,
        )
        self._keeper = Keeper(
            Fleet(run="bench", version="bench", gateway="", concurrency=CONCURRENCY),
            first_fence=1,
            table=LeaseTable(30.0),
            governor=governor,
            books=FleetBooks(writer, ledger, lambda _: None),
            monotonic=clock.monotonic,
            report=lambda _: None,
        )
        await self._stack.enter_async_context(self._keeper.open({}))
        self._ramp = asyncio.create_task(governor.ramp_up())

    async def hello(self, hello: Hello) -> Welcome:
        """A lease."""
        return await self._keeper.hello(hello)

    async def exchange(self, exchange: Exchange) -> Reply:
        """What a worker brings and takes home."""
        return await self._keeper.exchange(exchange)

    async def lead(self, first: int, edits: int, workers: int) -> tuple[float, float]:
        """Have so many edits made; the seconds that took, and those of this process's CPU."""
        await self._keeper.assembled(workers, 60.0)
        conductor = ConductorAfar(self._keeper.jobs, self._keeper.tower)
        planned = [_edit(number) for number in range(first, first + edits)]
        lives = asyncio.Semaphore(LIVES)

        async def live(edit: Edit) -> None:
            async with lives:
                if await conductor.conduct(edit) is not Conducted.EDITED:
                    raise AssertionError(edit)

        began, before = time.perf_counter(), time.process_time()
        await asyncio.gather(*map(live, planned))
        return time.perf_counter() - began, time.process_time() - before


class BenchWorker:
    """A worker whose edits are answered at once."""

    async def __init__(  # type: ignore[misc] # Ray awaits it
        self, keeper: Any, name: str, folder: str
    ) -> None:
        clock = SystemClock()
        self._spools = WorkerSpools(Path(folder), records=2048, price=PRICE, wall=clock.wall)
        worker = Worker(
            Self(worker=name, node=name, version="bench"),
            cluster.Counter(keeper),
            hands_for=self._hands_for,
            prepare=_nothing,
            monotonic=clock.monotonic,
        )
        self._work = asyncio.create_task(worker.work((), admitted=self._spools.begin))

    async def there(self) -> bool:
        """Whether this worker works."""
        return not self._work.done()

    def _hands_for(self, worker: Worker, lease: Lease, welcome: Welcome) -> NoOp:  # noqa: ARG002 - the form
        return NoOp(PermitsAfar(lease, worker.wire, self._spools, worker.flying))


class NoOp:
    """An edit's life without its POST."""

    def __init__(self, permits: PermitsAfar) -> None:
        self._permits = permits

    async def conduct(self, edit: Edit) -> Conducted:
        """Permit and report."""
        attempt = AttemptId(uuid4())
        permit = await self._permits.permit(
            PermitRequest(
                key=edit.key,
                attempt=attempt,
                price=PRICE,
                expected=edit.expected,
                paths=edit.paths,
            )
        )
        if not isinstance(permit, Permit):
            return Conducted.LEFT
        await self._permits.end(
            AttemptEnd(
                key=edit.key,
                attempt=attempt,
                event=EditEvent.ANSWERED,
                status=200,
                request_id=str(attempt),
                url=f"https://pub-0a1b2c3d4e5f60718293a4b5c6d7e8f9.r2.dev/{attempt}.png",
                width=1184,
                height=896,
                raw=b"{}",
            )
        )
        return Conducted.EDITED

    async def place(self, key: EditKey, *, paid_now: bool, waits: tuple[float, ...]) -> None:
        """Nothing is placed."""


async def _nothing(_: Welcome) -> None:
    """No door is to be opened."""


def _edit(number: int) -> Edit:
    item = shop_item(number)
    return Edit(
        keyed=item.keyed,
        paths=(item.path,),
        items=1,
        expected=EditState.PENDING,
        fate=Fate.SEND,
    )
