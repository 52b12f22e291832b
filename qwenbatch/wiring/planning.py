"""Puts the planner together, for a run and for a check alike."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

import anyio
import anyio.to_thread

from qwenbatch.core.budget import money_left
from qwenbatch.core.money import MicroUSD
from qwenbatch.core.summary import Estimate
from qwenbatch.engine.planner import Planner
from qwenbatch.imaging.reader import Reader
from qwenbatch.ledger import census, edits
from qwenbatch.ledger.plan import PlanStore
from qwenbatch.ledger.sources import SourceCache
from qwenbatch.wiring.sources import PlanSources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from qwenbatch.core.items import BadRow, Row
    from qwenbatch.core.offload import Offload
    from qwenbatch.engine.ports import Clock, Report
    from qwenbatch.ledger.writer import Writer
    from qwenbatch.results.occupancy import Occupancy
    from qwenbatch.stores.occupancy import StoreOccupancy
    from qwenbatch.wiring.outs import Out
    from qwenbatch.wiring.places import Place
    from qwenbatch.wiring.settings import RunSettings
    from qwenbatch.wiring.sources import Sources

DAY_SECONDS = 86_400


class Rows(Protocol):
    """Where items come from, and the path or name by which the ledger remembers them."""

    @property
    def path(self) -> Place:
        """The path of a manifest or folder, or another name."""

    @property
    def copies(self) -> Mapping[str, str]:
        """Local files that are read in place of manifests in stores, by their URLs."""

    def __iter__(self) -> Iterator[Row | BadRow]:
        """The rows, read once."""


async def make_plan(
    settings: RunSettings,
    manifest: Rows,
    out: Out,
    writer: Writer,
    *,
    sources: Sources,
    offload: Offload,
    keep_sources: bool,
    clock: Clock,
    report: Report,
    cancelled: Callable[[], bool],
) -> tuple[Occupancy | StoreOccupancy, int]:
    """Plan in a thread: what looks at the items' paths, and how many rows were refused."""
    book = PlanStore(writer)
    occupancy = out.occupancy(book, offload)
    cache = SourceCache(writer, keep=keep_sources)
    reader = Reader(cache, threads=os.cpu_count() or 1, wall=clock.wall)
    planner = Planner(
        book=book,
        sources=PlanSources(sources, reader, cache),
        out=occupancy,
        out_path=str(out.place),
        template=settings.name,
        asked=settings.asked,
        overwrite=settings.overwrite,
        limits=settings.door.limits,
        manifest=str(settings.source),
        report=report,
        cancelled=cancelled,
    )
    try:
        return occupancy, await anyio.to_thread.run_sync(planner.plan, manifest)
    finally:
        await anyio.to_thread.run_sync(reader.close)


async def estimate(
    settings: RunSettings,
    writer: Writer,
    *,
    run: int | None,
    clock: Clock,
) -> Estimate:
    """What the plan would send and cost, and what the caps leave."""
    day = int(clock.wall()) // DAY_SECONDS
    count = await writer(census.count_to_send)
    spent = await writer(lambda db: edits.run_spending(db, -1 if run is None else run))
    period = await writer(lambda db: edits.budget_spending(db, settings.caps, day))
    return Estimate(
        edits=count,
        cost=MicroUSD(count * settings.price),
        left=money_left(settings.caps, run=spent, period=period),
    )
