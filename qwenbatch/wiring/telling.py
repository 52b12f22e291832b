"""What is told of a run as a whole: that it is open, what it plans, and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwenbatch.core.events import Planned, Proxied, RunClosed, RunOpened
from qwenbatch.core.stops import exit_status
from qwenbatch.core.summary import Summary
from qwenbatch.ledger import census
from qwenbatch.wiring.planning import estimate

if TYPE_CHECKING:
    from qwenbatch.core.stops import StopReason
    from qwenbatch.core.summary import Estimate
    from qwenbatch.engine.ports import Clock, Report
    from qwenbatch.gateway.proxies import Proxies
    from qwenbatch.ledger.writer import Writer
    from qwenbatch.wiring.settings import RunSettings


class Telling:
    """Tells whoever watches one run. `began` is the run's first moment, by the clock's seconds."""

    def __init__(
        self,
        settings: RunSettings,
        *,
        run: str,
        began: float,
        clock: Clock,
        report: Report,
    ) -> None:
        self._settings = settings
        self._run = run
        self._began = began
        self._clock = clock
        self._report = report

    def opened(self, manifest: str, gateway: str, proxies: Proxies) -> None:
        """The ledger is locked, and the plan begins."""
        self._report(
            RunOpened(
                run=self._run,
                source=manifest,
                out=str(self._settings.out_folder),
                gateway=gateway,
                sandbox=self._settings.sandbox,
                concurrency=self._settings.concurrency,
                rate=self._settings.rate,
                ends_in=self._ends_in(),
            ),
        )
        if used := proxies.used():
            self._report(Proxied(proxies=tuple(map(str, used))))

    async def planned(self, writer: Writer, number: int) -> Estimate:
        """The plan stands; what the run with this number would send and cost."""
        foreseen = await estimate(self._settings, writer, run=number, clock=self._clock)
        items, _ = await writer(lambda db: census.count_items(db, number, opened=False))
        to_place = await writer(census.count_to_place)
        cost = await writer(lambda db: census.count_cost(db, number))
        self._report(
            Planned(
                items=items,
                estimate=foreseen,
                to_place=to_place,
                exposure=cost.exposure,
            ),
        )
        return foreseen

    async def ended(
        self,
        writer: Writer,
        number: int,
        *,
        stopped_by: StopReason | None,
        opened: bool,
    ) -> Summary:
        """What the run comes to; `opened`: its placements were noted in the ledger."""
        items, failures = await writer(lambda db: census.count_items(db, number, opened=opened))
        return Summary(
            run=self._run,
            stopped_by=stopped_by,
            exit_status=exit_status(stopped_by, items),
            items=items,
            edits=await writer(lambda db: census.count_edits(db, number)),
            cost=await writer(lambda db: census.count_cost(db, number)),
            failures=failures,
            seconds=self._clock.monotonic() - self._began,
        )

    def closed(self, summary: Summary) -> None:
        """Nothing more becomes of the run."""
        self._report(RunClosed(summary=summary))

    def _ends_in(self) -> float | None:
        """Seconds until the earlier of the run's deadlines."""
        until, duration = self._settings.until, self._settings.max_duration
        ends = [] if until is None else [until - self._clock.wall()]
        ends += [] if duration is None else [self._began + duration - self._clock.monotonic()]
        return max(0.0, min(ends)) if ends else None
