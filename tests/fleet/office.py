"""A keeper and workers in one process, without Ray: a real ledger, and a line that loses things."""

from __future__ import annotations

from contextlib import AsyncExitStack, closing
from typing import TYPE_CHECKING, Any

import anyio

from qwenbatch.core.attempts import AttemptEnd, AttemptId, Permit, PermitRequest, attempt_id
from qwenbatch.core.budget import Caps
from qwenbatch.core.items import FileSource, Row
from qwenbatch.core.leases import LeaseTable
from qwenbatch.core.money import MicroUSD
from qwenbatch.core.pacing import Pace
from qwenbatch.core.plan import Conducted, Edit, Fate, KeyedRow
from qwenbatch.core.states import EditEvent, EditState
from qwenbatch.engine.governor import Governor
from qwenbatch.fleet.afar import ConductorAfar
from qwenbatch.fleet.keeper import Fleet, Keeper
from qwenbatch.fleet.ports import KeeperLostError
from qwenbatch.fleet.ways import PermitsAfar
from qwenbatch.fleet.worker import Self, Worker
from qwenbatch.ledger import database, resuming, runs
from qwenbatch.ledger.ledger import Ledger
from qwenbatch.ledger.spool import Spool
from qwenbatch.ledger.writer import Writer
from qwenbatch.wiring.clock import SystemClock
from qwenbatch.wiring.fleet_books import FleetBooks
from qwenbatch.wiring.fleet_spools import WorkerSpools

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from qwenbatch.core.events import Event
    from qwenbatch.core.keys import EditKey
    from qwenbatch.fleet.messages import Exchange, Hello, Reply, Welcome
    from qwenbatch.fleet.ways import Lease

PRICE = MicroUSD(55_000)
VERSION = "1"
RUN = "run"


def edits(count: int) -> list[Edit]:
    """So many edits that are to be sent."""
    return [
        Edit(
            keyed=KeyedRow(
                row=Row(
                    number=number,
                    line=number,
                    image=f"{number}.png",
                    source=FileSource(f"/{number}.png"),
                    mirror=f"{number}.png",
                    instruction="mirror",
                ),
                key=bytes([number]) * 32,  # type: ignore[arg-type] # a key is its bytes
            ),
            paths=(f"{number}.png",),
            items=1,
            expected=EditState.PENDING,
            fate=Fate.SEND,
        )
        for number in range(1, count + 1)
    ]


class Line:
    """The way to whoever is the keeper now. `loses` is asked twice for each exchange."""

    def __init__(self) -> None:
        self.keeper: Keeper | None = None
        self.loses: Callable[[], bool] = lambda: False

    async def hello(self, hello: Hello) -> Welcome:
        """Ask for a lease."""
        if self.keeper is None:
            raise KeeperLostError("nobody")
        return await self.keeper.hello(hello)

    async def exchange(self, exchange: Exchange) -> Reply:
        """Hand over and take home; lost on the way there, or on the way back."""
        keeper = self.keeper
        if keeper is None or self.loses():
            raise KeeperLostError("on the way there")
        reply = await keeper.exchange(exchange)
        if self.keeper is not keeper or self.loses():
            raise KeeperLostError("on the way back")
        return reply


class Office:
    """A ledger on disk, and the keepers and workers that come and go."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.folder = folder
        self.stack = stack
        self.clock = SystemClock()
        self.line = Line()
        self.events: list[Event] = []
        self.governors: list[Governor] = []
        self.placed: list[EditKey] = []
        self.sent: list[AttemptId] = []
        self.mute = False
        """Workers report, and are heard of no more."""
        self.answers = anyio.Event()
        """No POST is answered before it is set."""
        connection = database.create_or_open(folder / "ledger.db", service="sandbox")
        self.writer = stack.enter_context(closing(Writer(connection)))
        self._spool = stack.enter_context(closing(Spool(folder / "spool", records=8)))

    async def begin(self) -> None:
        """Open the run."""
        await self.writer(lambda db: runs.begin(db, name=RUN, manifest="m", spooled=(), now=1))

    async def flying(self) -> Mapping[AttemptId, EditKey]:
        """What the ledger has in flight."""
        resumed = await self.writer(lambda db: resuming.resume(db, RUN, spooled=()))
        assert resumed is not None
        return resumed.flying

    async def states(self) -> list[str]:
        """The states of all edits."""
        return await self.writer(
            lambda db: [state for (state,) in db.execute("SELECT state FROM edits ORDER BY id")]
        )

    async def attempts(self) -> int:
        """How many attempts the ledger has."""
        return await self.writer(lambda db: int(db.execute("SELECT count(*) FROM attempts").get))

    async def keeper(
        self,
        stack: AsyncExitStack,
        *,
        term: float = 10.0,
        concurrency: int = 8,
        gateway: str = "",
    ) -> tuple[Keeper, ConductorAfar]:
        """A new keeper; the one before must be gone."""
        governor = Governor(
            concurrency=concurrency,
            pace=Pace(most=1e6, learned=None, now=self.clock.monotonic()),
            deadline=None,
            room=lambda _: True,
            clock=self.clock,
            report=self.events.append,
        )
        self.governors.append(governor)
        ledger = Ledger(self.writer, run=1, caps=Caps(), spool=self._spool, wall=self.clock.wall)
        books = FleetBooks(self.writer, ledger, lambda _: None)
        keeper = Keeper(
            Fleet(run=RUN, version=VERSION, gateway=gateway, concurrency=concurrency),
            first_fence=await books.next_fence(),
            table=LeaseTable(term),
            governor=governor,
            books=books,
            monotonic=self.clock.monotonic,
            report=self.events.append,
        )
        keeper.placing = self
        await stack.enter_async_context(keeper.open(await self.flying()))
        self.line.keeper = keeper
        return keeper, ConductorAfar(keeper.jobs, keeper.tower)

    async def place(self, key: EditKey, *, paid_now: bool) -> None:
        """What was answered late comes by here."""
        assert paid_now
        self.placed.append(key)

    def worker(self, name: str, *, version: str = VERSION) -> Worker:
        """A worker whose POSTs are answered once `answers` is set."""
        spools = WorkerSpools(self.folder / "spools", records=64, price=PRICE, wall=self.clock.wall)
        self.stack.callback(spools.close)
        spools.begin()

        def hands(worker: Worker, lease: Lease, welcome: Welcome) -> Hands:
            permits = PermitsAfar(lease, worker.wire, spools, worker.flying)
            return Hands(self, permits, f"{welcome.run}/{lease.fence}")

        return Worker(
            Self(worker=name, node=name, version=version),
            self.line,
            hands_for=hands,
            prepare=_nothing,
            monotonic=self.clock.monotonic,
        )


class Hands:
    """An edit's life with a POST that is only noted."""

    def __init__(self, office: Office, permits: PermitsAfar, run: str) -> None:
        self._office = office
        self._permits = permits
        self._run = run

    async def conduct(self, edit: Edit) -> Conducted:
        """Permit, POST, report."""
        attempt = attempt_id(self._run, edit.key, life=1, number=1)
        request = PermitRequest(
            key=edit.key,
            attempt=attempt,
            price=PRICE,
            expected=edit.expected,
            paths=edit.paths,
        )
        if not isinstance(await self._permits.permit(request), Permit):
            return Conducted.LEFT
        self._office.sent.append(attempt)
        await self._office.answers.wait()
        await self._permits.end(
            AttemptEnd(key=edit.key, attempt=attempt, event=EditEvent.ANSWERED, url="https://r")
        )
        if self._office.mute:
            await anyio.sleep_forever()
        return Conducted.EDITED

    async def place(self, key: EditKey, *, paid_now: bool, waits: tuple[float, ...]) -> None:
        """Nothing is placed here."""


async def until(holds: Callable[[], Any], seconds: float = 20.0) -> None:
    """Let the others go on until something is so."""
    with anyio.fail_after(seconds):
        while not holds():  # noqa: ASYNC110 - it is no one's event
            await anyio.sleep(0.01)


async def _nothing(_: Welcome) -> None:
    """No door is to be opened."""
