"""One worker of a fleet: the very conductor and placer of one machine, its ledger elsewhere."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import socket
from contextlib import AsyncExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import msgspec

from qwenbatch import __version__
from qwenbatch.core.retry import RetryPolicy
from qwenbatch.core.store_url import StoreUrl
from qwenbatch.engine.conductor import Conductor
from qwenbatch.engine.placer import Placer
from qwenbatch.errors import QwenbatchError, UsageError
from qwenbatch.fleet.keeper import MOST_OF_ONE
from qwenbatch.fleet.messages import Hello
from qwenbatch.fleet.ports import KeeperLostError
from qwenbatch.fleet.ways import BooksAfar, PermitsAfar, ReportAfar, ThrottleAfar
from qwenbatch.fleet.worker import Self, Worker
from qwenbatch.gateway.client import GatewayClient
from qwenbatch.gateway.fetch import ResultFetcher
from qwenbatch.imaging.transit import Carrier
from qwenbatch.imaging.verify import ResultVerifier
from qwenbatch.ledger.location import Location
from qwenbatch.results.folders import OutFolders
from qwenbatch.results.kept_pictures import KeptPictures
from qwenbatch.results.shelf import Shelf
from qwenbatch.wiring.batch import SPOOLED_PER_SLOT
from qwenbatch.wiring.clock import SystemClock
from qwenbatch.wiring.doors import FreeDoor, PaidDoor
from qwenbatch.wiring.engine import USER_AGENT, key_for
from qwenbatch.wiring.fleet_spools import WorkerSpools
from qwenbatch.wiring.outs import Out
from qwenbatch.wiring.permissions import new_files_mode
from qwenbatch.wiring.places import stores_here
from qwenbatch.wiring.provenance import Labels
from qwenbatch.wiring.proxies import proxies_for
from qwenbatch.wiring.settings import RunSettings
from qwenbatch.wiring.sole import sole_error
from qwenbatch.wiring.sources import Sources
from qwenbatch.wiring.thread_pool import ThreadPool

if TYPE_CHECKING:
    from qwenbatch.core.keys import EditKey
    from qwenbatch.core.plan import Conducted, Edit
    from qwenbatch.core.subscription_key import SubscriptionKey
    from qwenbatch.fleet.messages import Welcome
    from qwenbatch.fleet.ports import Counter
    from qwenbatch.fleet.ways import Lease
    from qwenbatch.wiring.places import Place


class WorkerOrders(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is told when it is started; `fleet` names the ledger that it works for."""

    settings: RunSettings
    fleet: str
    worker: str


class FleetWorker:
    """An actor: it works from the moment at which it is there, also when it is there again."""

    async def __init__(  # type: ignore[misc] # Ray awaits it
        self, orders: WorkerOrders, counter: Counter
    ) -> None:
        self._orders = orders
        self._counter = counter
        self._clock = SystemClock()
        self._work = asyncio.create_task(self._lead())

    async def pid(self) -> int:
        """The process that this is, once it is there."""
        return os.getpid()

    async def close(self) -> None:
        """End the work; what the ledger does not have yet stays in the spool."""
        self._work.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await self._work

    async def _lead(self) -> None:
        settings = self._orders.settings
        state = _state_folder() / self._orders.fleet
        try:
            key = key_for(settings)
            spools = WorkerSpools(
                state,
                records=SPOOLED_PER_SLOT * min(settings.concurrency, MOST_OF_ONE),
                price=settings.price,
                wall=self._clock.wall,
            )
        except QwenbatchError as error:
            await self._decline(error)
            return
        try:
            await self._work_with(key, spools, state / "desk")
        except QwenbatchError as error:
            await self._decline(error)
        except Exception as error:
            await self._decline(UsageError(f"it broke: {error}", "see Ray's log of that worker"))
            raise
        finally:
            spools.close()

    async def _work_with(
        self, key: SubscriptionKey | None, spools: WorkerSpools, desk: Path
    ) -> None:
        settings = self._orders.settings
        try:
            async with AsyncExitStack() as stack:
                place = Workplace(
                    settings,
                    key=key,
                    spools=spools,
                    clock=self._clock,
                    stack=stack,
                    desk=desk,
                )
                worker = Worker(
                    self._me,
                    self._counter,
                    hands_for=place.hands_for,
                    prepare=place.open,
                    monotonic=self._clock.monotonic,
                )
                await worker.work(spools.reports(), admitted=spools.begin)
        except BaseExceptionGroup as group:
            error = sole_error(group)
            raise error or group from None

    @property
    def _me(self) -> Self:
        return Self(worker=self._orders.worker, node=socket.gethostname(), version=__version__)

    async def _decline(self, error: QwenbatchError) -> None:
        """Say why this machine cannot work: the run ends by it."""
        refusal = type(error)(f"the worker on {self._me.node}: {error.what}", error.advice)
        with suppress(QwenbatchError, KeeperLostError):
            await self._counter.hello(
                Hello(
                    worker=self._me.worker,
                    node=self._me.node,
                    version=self._me.version,
                    reports=(),
                    flying=(),
                    refusal=refusal,
                )
            )


class Workplace:
    """What all leases of a worker share: the doors to the gateway and to results, and OUT."""

    def __init__(
        self,
        settings: RunSettings,
        *,
        key: SubscriptionKey | None,
        spools: WorkerSpools,
        clock: SystemClock,
        stack: AsyncExitStack,
        desk: Path,
    ) -> None:
        self._settings = settings
        self._key = key
        self._spools = spools
        self._clock = clock
        self._stack = stack
        self._out = _out_from_afar(settings.out_folder, desk)
        folders = self._out.folders
        threads = stack.enter_context(closing(ThreadPool()))
        desk_shelf = Shelf(folders, ResultVerifier, _unseen, offload=threads, mode=new_files_mode())
        self._shelf = self._out.shelf(desk_shelf, _unseen)
        self._kept = KeptPictures(folders.answers, offload=threads)
        self._sources = Sources(self._out.stores, {}, scratch=folders.scratch)
        self._carrier = Carrier(
            scratch=folders.scratch, cores=os.cpu_count() or 1, limits=settings.door.limits
        )
        self._url = ""
        self._client: GatewayClient
        self._fetcher: ResultFetcher

    async def open(self, welcome: Welcome) -> None:
        """Open the doors, and again where the gateway is elsewhere by now, as a sandbox may be."""
        if welcome.gateway == self._url:
            return
        self._url = welcome.gateway
        proxies = proxies_for(self._settings)
        self._client = await self._stack.enter_async_context(
            GatewayClient(
                door=self._settings.door,
                url=self._url,
                key=self._key,
                timeout=self._settings.timeout,
                wall=self._clock.wall,
                user_agent=USER_AGENT,
                proxies=proxies,
            )
        )
        self._fetcher = await self._stack.enter_async_context(
            ResultFetcher(gateway_url=self._url, user_agent=USER_AGENT, proxies=proxies)
        )

    def hands_for(self, worker: Worker, lease: Lease, welcome: Welcome) -> HandsHere:
        """What does the errands of a lease."""
        settings, report = self._settings, ReportAfar(worker.wire)
        throttle = ThrottleAfar(lease, worker.slots, worker.wire)
        books = BooksAfar(worker.wire)
        return HandsHere(
            Conductor(
                # No two leases make attempts of one name, whatever was handed out before.
                run=f"{welcome.run}/{lease.fence}",
                price=settings.price,
                policy=RetryPolicy(attempts=settings.attempts),
                ledger=PermitsAfar(lease, worker.wire, self._spools, worker.flying),
                gateway=PaidDoor(
                    settings.door,
                    self._client,
                    self._carrier,
                    self._sources,
                    self._kept,
                    # Of one that stood still between permit and upload, others think it dead.
                    may_go=lease.is_trusted,
                ),
                governor=throttle,
                clock=self._clock,
                jitter=random.random,
                report=report,
            ),
            Placer(
                book=books,
                # The books are asked from there: in threads that anyio knows.
                out=self._out.occupancy(books, anyio.to_thread.run_sync),
                shelf=self._shelf,
                fetcher=FreeDoor(
                    self._fetcher,
                    self._kept,
                    Labels(books.embedded_texts, report) if settings.embed else None,
                ),
                fetches=settings.concurrency,
                overwrite=settings.overwrite,
                governor=throttle,
                clock=self._clock,
                report=report,
            ),
        )


class HandsHere:
    """Conductor and placer of one lease."""

    def __init__(self, conductor: Conductor, placer: Placer) -> None:
        self._conductor = conductor
        self._placer = placer

    async def conduct(self, edit: Edit) -> Conducted:
        """Send an edit until it is edited, refused, uncertain, or left."""
        return await self._conductor.conduct(edit)

    async def place(self, key: EditKey, *, paid_now: bool, waits: tuple[float, ...]) -> None:
        """Bring an edit's result to its paths."""
        await self._placer.place(key, paid_now=paid_now, waits=waits)


def fleet_of(ledger: Path) -> str:
    """A ledger's fleet, by where the ledger lies on the disk of its keeper."""
    return hashlib.sha256(os.fsencode(os.path.realpath(ledger))).hexdigest()[:16]


def _out_from_afar(place: Place, desk: Path) -> Out:
    """An OUT whose ledger is elsewhere; for one in a store results are staged at `desk`."""
    folders = OutFolders(desk if isinstance(place, StoreUrl) else place)
    folders.make()
    location = Location(file=desk / "elsewhere", note=None, out=str(place))
    return Out(place=place, location=location, folders=folders, stores=stores_here())


def _state_folder() -> Path:
    """Where a program keeps what must outlive it, on this machine."""
    told = os.environ.get("XDG_STATE_HOME")
    return (Path(told) if told else Path.home() / ".local" / "state") / "qwenbatch"


def _unseen(_: Any) -> None:
    """The keeper sees the sizes of results: it is told them before they are put into place."""
