"""A run whose edits are made by a fleet: the very life of a run, with its hands elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from msgspec.structs import replace

from qwenbatch import __version__
from qwenbatch.core.attempts import AttemptId
from qwenbatch.core.events import Planned
from qwenbatch.core.keys import EditKey
from qwenbatch.core.leases import LeaseTable
from qwenbatch.core.money import MicroUSD
from qwenbatch.core.stops import StopReason
from qwenbatch.engine.run import LIVES_PER_SLOT, Run
from qwenbatch.errors import DiskError
from qwenbatch.fleet.afar import ConductorAfar, PlacerAfar
from qwenbatch.fleet.keeper import Fleet, Keeper
from qwenbatch.ledger import census, resuming
from qwenbatch.ledger.spool import read as read_spool
from qwenbatch.wiring.batch import Batch
from qwenbatch.wiring.doors import Rekeyer
from qwenbatch.wiring.engine import endpoint_url
from qwenbatch.wiring.fleet_books import FleetBooks
from qwenbatch.wiring.sole import sole_error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from qwenbatch.core.plan import Edit, KeyedRow
    from qwenbatch.engine.governor import Governor
    from qwenbatch.gateway.proxies import Proxies
    from qwenbatch.ledger.agenda import Agenda
    from qwenbatch.ledger.spool import Spool
    from qwenbatch.ledger.writer import Writer
    from qwenbatch.wiring.engine import Site
    from qwenbatch.wiring.opening import OpenLedger
    from qwenbatch.wiring.planning import Rows

TERM = 10.0
"""Seconds for which a lease holds without a word from its worker."""

ASSEMBLY = 60.0
"""Seconds that workers have to come up before a run begins with those that are there."""


class Crew(Protocol):
    """Whoever brings workers up, and lets them go."""

    @property
    def expected(self) -> int:
        """How many workers there will be, as far as is known now."""

    @property
    def host(self) -> str:
        """The address of this machine at which workers reach it."""

    def called_in(self, keeper: Keeper) -> AbstractAsyncContextManager[None]:
        """Have workers call this keeper while the context that is returned is held."""


class Earlier(msgspec.Struct, frozen=True):
    """What an earlier life of this run left."""

    flying: Mapping[AttemptId, EditKey]
    stopped_by: StopReason | None


class FleetBatch(Batch):
    """A run of a fleet. `crew` brings the workers; `name` is told, for it outlives its process."""

    def __init__(self, settings: Any, *, crew: Crew, **others: Any) -> None:
        super().__init__(settings, **others)
        self._crew = crew
        self._earlier = Earlier({}, None)
        self._at: tuple[Writer, int] | None = None
        self._keeper: Keeper
        self._books: FleetBooks
        self._placer: PlacerAfar

    def _refuse_without_key(self) -> None:
        """The workers have it, or say that they have not."""

    async def _begin(self, ledger: OpenLedger, manifest: str) -> int:
        spooled = list(read_spool(ledger.spool))
        resumed = await ledger.writer(
            lambda db: resuming.resume(db, self._name, spooled=spooled),
        )
        if resumed is None:
            return await super()._begin(ledger, manifest)
        self._earlier = Earlier(resumed.flying, resumed.stopped_by)
        return resumed.number

    async def _lead(
        self,
        manifest: Rows,
        writer: Writer,
        governor: Governor,
        *,
        number: int,
        spool: Spool,
        proxies: Proxies,
    ) -> None:
        self._at = writer, number
        if self._earlier.stopped_by is not None:
            governor.stop(self._earlier.stopped_by, "the run had stopped before")
        try:
            await self._lead_fleet(
                manifest, writer, governor, number=number, spool=spool, proxies=proxies
            )
        except BaseExceptionGroup as group:
            # What comes late, or is doubted, is recorded beside the run: on a disk that may be
            # full.
            error = sole_error(group)
            if not isinstance(error, DiskError):
                raise
            governor.stop(StopReason.DISK, error.what)

    async def _lead_fleet(
        self,
        manifest: Rows,
        writer: Writer,
        governor: Governor,
        *,
        number: int,
        spool: Spool,
        proxies: Proxies,
    ) -> None:
        async with AsyncExitStack() as stack:
            url = await stack.enter_async_context(
                endpoint_url(self._settings, self._folders, host=self._crew.host)
            )
            ledger = self._ledger(writer, number, spool)
            self._books = FleetBooks(writer, ledger, self._room.saw)
            self._keeper = Keeper(
                Fleet(
                    run=self._name,
                    version=__version__,
                    gateway=url,
                    concurrency=self._settings.concurrency,
                ),
                first_fence=await self._books.next_fence(),
                table=LeaseTable(TERM),
                governor=governor,
                books=self._books,
                monotonic=self._clock.monotonic,
                report=self._report,
            )
            self._placer = PlacerAfar(self._keeper.jobs, self._books, governor)
            self._keeper.placing = self._placer
            await stack.enter_async_context(self._crew.called_in(self._keeper))
            await stack.enter_async_context(self._keeper.open(self._earlier.flying))
            # Before the plan: what their spools hold of earlier runs is paid for, and not sent.
            await self._keeper.assembled(self._crew.expected, ASSEMBLY)
            await super()._lead(
                manifest, writer, governor, number=number, spool=spool, proxies=proxies
            )

    async def standing(self, planned: Planned) -> Planned:
        """How the plan stands by now, for whoever begins to watch."""
        if self._at is None:
            return planned
        writer, number = self._at
        items, _ = await writer(lambda db: census.count_items(db, number, opened=True))
        cost = await writer(lambda db: census.count_cost(db, number))
        left = min(planned.estimate.edits, items.pending)
        estimate = replace(planned.estimate, edits=left, cost=MicroUSD(left * self._settings.price))
        return Planned(items=items, estimate=estimate, to_place=0, exposure=cost.exposure)

    @asynccontextmanager
    async def _engine(self, site: Site) -> AsyncIterator[Run]:
        yield Run(
            conductor=ConductorAfar(self._keeper.jobs, self._keeper.tower),
            placer=self._placer,
            governor=site.governor,
            agenda=_WithFlying(site.agenda, tuple(self._earlier.flying.values())),
            book=site.ledger,
            rekeyer=Rekeyer(site.sources),
            lives=LIVES_PER_SLOT * site.settings.concurrency,
            canaries=site.settings.canary,
            approve=site.approve,
            report=site.report,
        )


class _WithFlying:
    """A plan's agenda, with the edits before it that the run had in flight in its earlier life."""

    def __init__(self, agenda: Agenda, flying: tuple[EditKey, ...]) -> None:
        self._agenda = agenda
        self._flying = flying
        self.canaries = agenda.canaries
        self.owner = agenda.owner
        self.refuse = agenda.refuse

    async def edits(self) -> AsyncIterator[Edit]:
        """The edits to send, those in flight first."""
        for key in self._flying:
            edit = await self._agenda.flying(key)
            if edit is not None:
                yield edit
        async for edit in self._agenda.edits():
            yield edit

    async def rekey(self, old: Edit, keyed: KeyedRow) -> list[Edit]:
        """The edits that an edit makes whose source changed."""
        return await self._agenda.rekey(old, keyed)
