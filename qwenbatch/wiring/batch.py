"""One run, from the lock to the summary."""

from __future__ import annotations

import secrets
from contextlib import AsyncExitStack, closing
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Protocol

import anyio

from qwenbatch.core.deadlines import Deadline
from qwenbatch.core.pacing import HEADROOM, Pace
from qwenbatch.core.stops import StopReason
from qwenbatch.engine.governor import Governor
from qwenbatch.engine.planner import PlanCancelledError
from qwenbatch.engine.shield import unbroken
from qwenbatch.errors import DiskError
from qwenbatch.imaging.verify import ResultVerifier
from qwenbatch.ledger import kept_pictures, runs
from qwenbatch.ledger.agenda import Agenda
from qwenbatch.ledger.ledger import Ledger
from qwenbatch.ledger.spool import Spool
from qwenbatch.ledger.spool import read as read_spool
from qwenbatch.results.kept_pictures import KeptPictures, left_behind, url_of
from qwenbatch.results.room import Room
from qwenbatch.results.shelf import Shelf
from qwenbatch.wiring.again import command_of
from qwenbatch.wiring.clock import SystemClock
from qwenbatch.wiring.engine import Site, engine
from qwenbatch.wiring.manifests import manifest_of
from qwenbatch.wiring.opening import ledger_to_write
from qwenbatch.wiring.outs import out_at
from qwenbatch.wiring.permissions import new_files_mode
from qwenbatch.wiring.planning import make_plan
from qwenbatch.wiring.provenance import Labels, LedgerWithSidecars, Sidecars, beside, texts_of
from qwenbatch.wiring.proxies import proxies_for
from qwenbatch.wiring.settings import api_key
from qwenbatch.wiring.signals import signals
from qwenbatch.wiring.sources import Sources
from qwenbatch.wiring.telling import Telling
from qwenbatch.wiring.thread_pool import ThreadPool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

    import apsw
    from anyio.abc import TaskStatus

    from qwenbatch.core.attempts import AttemptId
    from qwenbatch.core.keys import EditKey
    from qwenbatch.core.summary import Estimate, Summary
    from qwenbatch.engine.ports import Approve, Report
    from qwenbatch.engine.run import Run
    from qwenbatch.gateway.proxies import Proxies
    from qwenbatch.ledger.spool import Spooled
    from qwenbatch.ledger.writer import Writer
    from qwenbatch.wiring.opening import OpenLedger
    from qwenbatch.wiring.planning import Rows
    from qwenbatch.wiring.settings import RunSettings

SPOOLED_PER_SLOT = 2
"""Records that the spool has room for, for each edit that may be in flight."""


class Follower(Protocol):
    """Whoever looks at single items while the run goes on, and after it, beside its summary."""

    def begin(self, ledger: Writer, manifest: str) -> None:
        """The plan stands: the ledger has every item of it, under the manifest's name."""

    async def finish(self) -> None:
        """Nothing more becomes of any item; the ledger stays open until this returns."""

    def close(self) -> None:
        """The ledger is closed now, whether or not the run got so far."""


class Batch:
    """A run and all that it is made of.

    `ask` is asked before anything is paid, `approve` before anything follows the canaries. `stops`
    gives reasons to stop as they come: the first ends the sending, the second gives up what is in
    flight. `rows` are the items, those of the settings' source if None; `name` is the
    run's, a new one if None; `began`, in seconds since the epoch, its first moment, now if None.
    """

    def __init__(
        self,
        settings: RunSettings,
        *,
        report: Report,
        ask: Callable[[Estimate], Awaitable[bool]],
        approve: Approve,
        stops: Callable[[], AbstractContextManager[AsyncIterator[StopReason]]] = signals,
        rows: Rows | None = None,
        follower: Follower | None = None,
        name: str | None = None,
        began: float | None = None,
    ) -> None:
        self._settings = settings
        self._stops = stops
        self._rows = rows
        self._follower = follower
        self._report = report
        self._ask = ask
        self._approve = approve
        self._clock = SystemClock()
        now, wall = self._clock.monotonic(), self._clock.wall()
        self._began = now if began is None else min(now, now - (wall - began))
        self._out = out_at(settings.out_folder, settings.ledger)
        self._folders = self._out.folders
        self._threads = ThreadPool()
        self._kept = KeptPictures(self._folders.answers, offload=self._threads)
        self._room = Room(self._folders.out, copies=settings.door.copies)
        desk = Shelf(
            self._folders,
            ResultVerifier,
            self._room.saw,
            offload=self._threads,
            mode=new_files_mode(),
        )
        self._shelf = self._out.shelf(desk, self._room.saw)
        self._name = name or run_name()
        self._telling = Telling(
            settings,
            run=self._name,
            began=self._began,
            clock=self._clock,
            report=report,
        )
        self._scope = anyio.CancelScope()
        self._opened = False

    async def run(self) -> Summary:
        """Plan, ask, place, send; the summary, whatever stopped it.

        Raises QwenbatchError where the run cannot begin. A disk that fails afterwards is a stop.
        """
        async with AsyncExitStack() as stack:
            # First of all: a signal that comes while all this is opened is heard once it is open.
            arrived = stack.enter_context(self._stops())
            stack.enter_context(closing(self._threads))
            manifest = self._rows or stack.enter_context(
                manifest_of(self._settings, self._out.stores)
            )
            self._refuse_without_key()
            proxies = proxies_for(self._settings)
            ledger = stack.enter_context(ledger_to_write(self._settings, self._out))
            writer = ledger.writer
            gateway = self._gateway_name()
            number = await self._begin(ledger, str(manifest.path))
            spool = stack.enter_context(
                closing(Spool(ledger.spool, records=SPOOLED_PER_SLOT * self._settings.concurrency)),
            )
            governor = await self._governor(writer, gateway)
            if self._follower is not None:
                stack.callback(self._follower.close)
            async with anyio.create_task_group() as watch:
                await watch.start(self._heed, arrived, governor)
                self._telling.opened(str(manifest.path), gateway, proxies)
                with self._scope:
                    await self._lead(
                        manifest,
                        writer,
                        governor,
                        number=number,
                        spool=spool,
                        proxies=proxies,
                    )
                summary = await unbroken(self._close(writer, number, governor, gateway))
                if self._follower is not None:
                    await self._follower.finish()
                watch.cancel_scope.cancel()
            return summary
        raise AssertionError  # the stack swallows no exception

    # ------------------------------------------------------------------ its parts

    def _refuse_without_key(self) -> None:
        """A missing one is said before anything is opened."""
        if not self._settings.sandbox:
            api_key(self._settings.door)

    async def _begin(self, ledger: OpenLedger, manifest: str) -> int:
        self._shelf.clean()
        spooled = list(read_spool(ledger.spool))
        pictures = left_behind(self._folders.answers)
        number = await ledger.writer(
            lambda db: runs.begin(
                db,
                name=self._name,
                manifest=manifest,
                spooled=self._unheard(db, spooled, pictures),
                now=self._now(),
                # What a program states itself, no command starts again.
                command=() if self._rows else command_of(self._settings),
            ),
        )
        for key, attempt in await ledger.writer(lambda db: kept_pictures.placed(db, pictures)):
            await self._kept.forget(key, [url_of(attempt)])
        return number

    def _unheard(
        self,
        db: apsw.Connection,
        spooled: list[Spooled],
        pictures: list[tuple[EditKey, AttemptId]],
    ) -> list[Spooled]:
        price, now = self._settings.price, self._now()
        return kept_pictures.with_unheard(
            db, spooled, pictures, url_of=url_of, price=price, now=now
        )

    async def _governor(self, writer: Writer, gateway: str) -> Governor:
        settings, now = self._settings, self._clock.monotonic()
        learned = await writer(lambda db: runs.learned_rate(db, gateway))
        ends = None if settings.max_duration is None else self._began + settings.max_duration
        limited = settings.until is not None or ends is not None
        return Governor(
            concurrency=settings.concurrency,
            pace=Pace(most=HEADROOM * settings.rate, learned=learned, now=now),
            deadline=Deadline(settings.until, ends) if limited else None,
            clock=self._clock,
            room=self._room.holds,
            report=self._report,
        )

    # ------------------------------------------------------------------ its life

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
        try:
            sources = Sources(self._out.stores, manifest.copies, scratch=self._folders.scratch)
            occupancy, refused = await make_plan(
                self._settings,
                manifest,
                self._out,
                writer,
                sources=sources,
                offload=self._threads,
                keep_sources=True,
                clock=self._clock,
                report=self._report,
                cancelled=lambda: governor.stopping,
            )
            foreseen = await self._telling.planned(writer, number)
            await self._record_items(writer, manifest)
            if self._settings.out_of_hours:
                governor.stop(StopReason.DEADLINE, "it was started outside its hours")
            send = not (refused and self._settings.strict) and not governor.stopping
            if send and foreseen.edits:
                send = await unless_stopping(governor, partial(self._ask, foreseen))
                if not send:
                    governor.stop(StopReason.DECLINED, "nothing was sent")
            agenda = Agenda(writer)
            await agenda.open_placements()
            self._opened = True
            if self._follower is not None:
                self._follower.begin(writer, str(manifest.path))
            site = Site(
                settings=self._settings,
                folders=self._folders,
                sources=sources,
                shelf=self._shelf,
                kept=self._kept,
                occupancy=occupancy,
                ledger=self._ledger(writer, number, spool),
                agenda=agenda,
                governor=governor,
                clock=self._clock,
                approve=lambda seen: unless_stopping(governor, partial(self._approve, seen)),
                report=self._report,
                proxies=proxies,
                labels=Labels(partial(texts_of, writer), self._report)
                if self._settings.embed
                else None,
            )
            async with self._engine(site) as run:
                await run(send=send)
            if agenda.changed:
                await self._record_items(writer, manifest)
            if self._settings.sidecar:
                await self._sidecars(writer).complete()
        except PlanCancelledError:
            # Whoever asked for it stops the run too, if perhaps a moment later.
            await governor.stopped()
        except DiskError as error:
            governor.stop(StopReason.DISK, error.what)

    def _engine(self, site: Site) -> AbstractAsyncContextManager[Run]:
        """What brings the plan to its end, for as long as its doors are open."""
        return engine(site, run=self._name)

    def _ledger(self, writer: Writer, number: int, spool: Spool) -> Ledger:
        caps, wall = self._settings.caps, self._clock.wall
        if self._settings.sidecar:
            sidecars = self._sidecars(writer)
            return LedgerWithSidecars(
                writer, sidecars, run=number, caps=caps, spool=spool, wall=wall
            )
        return Ledger(writer, run=number, caps=caps, spool=spool, wall=wall)

    def _sidecars(self, writer: Writer) -> Sidecars:
        return Sidecars(writer, beside(self._out, new_files_mode()), self._report)

    async def _record_items(self, writer: Writer, manifest: Rows) -> None:
        await writer(lambda db: runs.record_items(db, str(manifest.path)))

    async def _heed(
        self,
        arrived: AsyncIterator[StopReason],
        governor: Governor,
        *,
        task_status: TaskStatus[None],
    ) -> None:
        """The first reason to stop ends the sending; the second gives up what is in flight."""
        task_status.started()
        told = False
        async for reason in arrived:
            if told:
                self._scope.cancel()
            governor.stop(
                reason,
                "what is in flight is awaited; once more gives it up as uncertain",
            )
            told = True

    async def _close(
        self,
        writer: Writer,
        number: int,
        governor: Governor,
        gateway: str,
    ) -> Summary:
        """Count what there is, record how the run ended, and tell it."""
        summary = await self._telling.ended(
            writer,
            number,
            stopped_by=governor.stopped_by,
            opened=self._opened,
        )
        pace = governor.pace
        try:
            await writer(lambda db: runs.close(db, number, summary, now=self._now()))
            await writer(lambda db: runs.keep_rate(db, gateway, pace.learned))
        except DiskError:
            # It is told all the same; what the run did is in the ledger already.
            if governor.stopped_by is not StopReason.DISK:
                raise
        self._telling.closed(summary)
        return summary

    def _gateway_name(self) -> str:
        return "sandbox" if self._settings.sandbox else self._settings.gateway

    def _now(self) -> int:
        return int(self._clock.wall() * 1000)


async def unless_stopping(
    governor: Governor,
    question: Callable[[], Awaitable[bool]],
) -> bool:
    """Ask a question; a run that is to stop meanwhile ends it, with no."""
    agreed = False
    async with anyio.create_task_group() as group:

        async def give_up() -> None:
            await governor.stopped()
            group.cancel_scope.cancel()

        group.start_soon(give_up)
        agreed = await question()
        group.cancel_scope.cancel()
    return agreed


def run_name() -> str:
    """A name for a run that begins now; no two have one."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
