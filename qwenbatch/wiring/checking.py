"""A check: all that a run would find out before its first dollar, without lock or key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.to_thread

from qwenbatch.core.events import Planned, RunClosed, RunOpened
from qwenbatch.core.stops import StopReason, exit_status
from qwenbatch.core.summary import Summary
from qwenbatch.ledger import census
from qwenbatch.wiring.clock import SystemClock
from qwenbatch.wiring.manifests import manifest_of
from qwenbatch.wiring.opening import ledger_to_check
from qwenbatch.wiring.outs import out_at
from qwenbatch.wiring.planning import estimate, make_plan
from qwenbatch.wiring.proxies import proxies_for
from qwenbatch.wiring.sources import Sources

if TYPE_CHECKING:
    from qwenbatch.core.summary import Estimate
    from qwenbatch.engine.ports import Report
    from qwenbatch.wiring.settings import RunSettings

MOST_SIZES = 8
"""So many of the commonest source sizes are told."""


async def check(
    settings: RunSettings,
    *,
    report: Report,
) -> tuple[Summary, list[tuple[int, int, int]]]:
    """Foresee a run: its summary, and the commonest source sizes (width, height, items)."""
    clock = SystemClock()
    began = clock.monotonic()
    out = out_at(settings.out_folder, settings.ledger)
    with manifest_of(settings, out.stores) as manifest, ledger_to_check(settings, out) as checked:
        proxies_for(settings)  # one that cannot be used would stop the run
        writer, running = checked.writer, checked.running
        report(
            RunOpened(
                run="check",
                source=str(manifest.path),
                out=str(out.place),
                gateway=settings.ledger_service,
                sandbox=settings.sandbox,
            ),
        )
        _, refused = await make_plan(
            settings,
            manifest,
            out,
            writer,
            sources=Sources(out.stores, manifest.copies, scratch=out.scratch),
            offload=anyio.to_thread.run_sync,
            keep_sources=False,
            clock=clock,
            report=report,
            cancelled=lambda: False,
        )
        foreseen = await estimate(settings, writer, run=None, clock=clock)
        items, failures = await writer(
            lambda db: census.count_items(db, None, opened=False, running=running),
        )
        to_place = await writer(census.count_to_place)
        cost = await writer(lambda db: census.count_cost(db, None, running=running))
        report(
            Planned(
                items=items,
                estimate=foreseen,
                to_place=to_place,
                exposure=cost.exposure,
            ),
        )
        sends = not (refused and settings.strict)
        stop = _foreseen_stop(settings, foreseen) if sends else None
        after = await writer(lambda db: census.count_after(db, running=running)) if sends else items
        summary = Summary(
            run="check",
            stopped_by=stop,
            exit_status=exit_status(stop, after),
            items=items,
            edits=await writer(lambda db: census.count_edits(db, -1)),
            cost=cost,
            failures=failures,
            seconds=clock.monotonic() - began,
            estimate=foreseen,
        )
        report(RunClosed(summary=summary))
        return summary, await writer(lambda db: census.sizes(db, MOST_SIZES))


def _foreseen_stop(settings: RunSettings, foreseen: Estimate) -> StopReason | None:
    """The cap that would stop the run, if what is to be sent costs more than is left."""
    if foreseen.left is None or foreseen.cost <= foreseen.left:
        return None
    caps = settings.caps
    tight = caps.budget is None or (caps.max_cost is not None and caps.max_cost <= foreseen.left)
    return StopReason.MAX_COST if tight else StopReason.BUDGET
