"""A fleet's run as its driver sees it: started or found, watched to its end, stopped by signals.

The driver pays for nothing and records nothing. Killed and started again with the same command, it
finds the head by the ledger's place and shows the rest.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
from msgspec.structs import replace

from qwenbatch.core.store_url import StoreUrl
from qwenbatch.core.summary import Estimate
from qwenbatch.errors import LedgerBusyError, UsageError
from qwenbatch.fleet.ports import KeeperLostError
from qwenbatch.wiring.batch import run_name
from qwenbatch.wiring.clock import SystemClock
from qwenbatch.wiring.outs import out_at
from qwenbatch.wiring.places import absolute
from qwenbatch.wiring.signals import signals

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from qwenbatch.core.stops import StopReason
    from qwenbatch.core.summary import Summary
    from qwenbatch.engine.ports import Approve, Report
    from qwenbatch.fleet.audience import Ended, Question
    from qwenbatch.wiring.settings import RunSettings

PATIENCE = 0.3
"""Seconds between two looks for a head that is being started again."""

MOST_LOST = 120.0
"""Seconds after which a head that cannot be reached is given up; its run may go on."""


class FleetDefectError(Exception):
    """A defect of the program, at the fleet's head; its words are the head's traceback."""


class FleetRun:
    """One fleet's run; used as `Batch` is."""

    def __init__(
        self,
        settings: RunSettings,
        *,
        report: Report,
        ask: Callable[[Estimate], Awaitable[bool]],
        approve: Approve,
    ) -> None:
        _refuse_without_ray()
        if settings.door.pictures and isinstance(settings.out_folder, StoreUrl):
            raise UsageError(
                "a fleet cannot put pictures that come within their answers into an object store",
                "use a shared folder as OUT, or --engine local",
            )
        self._settings = _absolute(settings)
        self._report = report
        self._ask = ask
        self._approve = approve
        self._clock = SystemClock()
        self._stops: list[StopReason] = []
        self._signalled = anyio.Event()
        self._told = 0
        self._answers: dict[str, bool] = {}

    async def run(self) -> Summary:
        """Watch the run to its end; its summary. Raises as `Batch.run` does."""
        from qwenbatch.fleet.cluster import joined  # noqa: PLC0415 - Ray is loaded only for a fleet

        async with AsyncExitStack() as stack:
            stack.enter_context(joined(self._settings.address))
            arrived = stack.enter_context(signals())
            # A signal that came while Ray came up ends it here, before anything is begun.
            await anyio.lowlevel.checkpoint()
            async with anyio.create_task_group() as group:
                group.start_soon(self._heed, arrived)
                head = await self._head()
                ended = await self._watch(head)
                group.cancel_scope.cancel()
            return _summary(ended)
        raise AssertionError  # the stack swallows no exception

    async def _head(self) -> Any:
        """The head of this ledger's run: one that is there, or a new one."""
        from qwenbatch.fleet import cluster  # noqa: PLC0415 - likewise
        from qwenbatch.wiring.fleet_head import FleetHead, HeadOrders  # noqa: PLC0415 - likewise
        from qwenbatch.wiring.fleet_worker import fleet_of  # noqa: PLC0415 - likewise

        out = out_at(self._settings.out_folder, self._settings.ledger)
        fleet = fleet_of(out.location.file)
        orders = HeadOrders(
            settings=self._settings,
            fleet=fleet,
            run=run_name(),
            began=self._clock.wall(),
            local=self._settings.address is None,
        )
        node = await anyio.to_thread.run_sync(cluster.head_node)
        while True:
            head = cluster.start(FleetHead, fleet, node, orders)
            theirs = await self._patiently(head.settings)
            if _lasting(theirs) == _lasting(self._settings):
                return head
            if not await self._patiently(head.is_over):
                raise LedgerBusyError(
                    "a fleet's run with other settings holds this ledger",
                    "wait for its end, or start the command that began it to watch it",
                )
            # It is in the ledger how that one ended.
            cluster.end(head)
            while cluster.find(fleet) is not None:  # noqa: ASYNC110 - Ray tells no event
                await anyio.sleep(PATIENCE)

    async def _heed(self, arrived: AsyncIterator[StopReason]) -> None:
        async for reason in arrived:
            self._stops.append(reason)
            self._signalled.set()

    # ------------------------------------------------------------------ what is seen

    async def _watch(self, head: Any) -> Ended:
        from qwenbatch.fleet import cluster  # noqa: PLC0415 - likewise

        viewer: int | None = None
        pid = 0
        while True:
            now = await self._patiently(head.pid)
            if viewer is None or now != pid:
                # A head that was started again has heard of nothing yet.
                viewer, pid, self._told = await self._patiently(head.attach), now, 0
            await self._pass_on(head)
            seen = await self._patiently(head.see, viewer)
            if seen is None:
                viewer = None
                continue
            for event in seen.events:
                self._report(event)
            if seen.question is not None:
                await self._answer(head, seen.question)
            if seen.ended is not None and not seen.events:
                # Whoever watches too is to see it; the last one ends the head.
                with suppress(KeeperLostError):
                    while not await cluster.call(head.leave, viewer):  # noqa: ASYNC110 - Ray tells none
                        await anyio.sleep(PATIENCE)
                cluster.end(head)
                ended: Ended = seen.ended
                return ended

    async def _pass_on(self, head: Any) -> None:
        while self._told < len(self._stops):
            await self._patiently(head.stop, self._stops[self._told])
            self._told += 1

    async def _answer(self, head: Any, question: Question) -> None:
        """Ask the person, unless a signal comes first; once for each question, whoever asks."""
        about = question.about
        word = repr(about)
        if word not in self._answers:
            answered = False
            async with anyio.create_task_group() as group:
                group.start_soon(self._until_signalled, group.cancel_scope)
                if isinstance(about, Estimate):
                    answered = await self._ask(about)
                else:
                    answered = await self._approve(about)
                self._answers[word] = answered
                group.cancel_scope.cancel()
            if word not in self._answers:
                return
        await self._patiently(head.answer, question.number, self._answers[word])

    async def _until_signalled(self, scope: anyio.CancelScope) -> None:
        await self._signalled.wait()
        scope.cancel()

    async def _patiently(self, method: Any, *arguments: Any) -> Any:
        """Call the head; one that was killed is there again in a moment.

        Whoever gives a second signal while it is not does not want to wait for that.
        """
        from qwenbatch.fleet import cluster  # noqa: PLC0415 - likewise

        lost = self._clock.monotonic() + MOST_LOST
        while True:
            try:
                return await cluster.call(method, *arguments)
            except KeeperLostError as error:
                if self._clock.monotonic() > lost or len(self._stops) > 1:
                    raise UsageError(
                        f"the fleet's head cannot be reached: {error}",
                        "start the same command again: if the run goes on, it is shown",
                    ) from error
                await anyio.sleep(PATIENCE)


def _summary(ended: Ended) -> Summary:
    if ended.error is not None:
        raise ended.error
    if ended.summary is None:
        raise FleetDefectError(ended.defect)
    return ended.summary


def _absolute(settings: RunSettings) -> RunSettings:
    """The settings as they hold in any folder, on any machine that has the same paths."""
    return replace(
        settings,
        source=absolute(settings.source),
        out=settings.out_folder,
        ledger=None if settings.ledger is None else settings.ledger.absolute(),
    )


def _lasting(settings: RunSettings) -> RunSettings:
    """Without the moments that the same words mean at another time."""
    return replace(settings, at=None, until=None)


def _refuse_without_ray() -> None:
    try:
        import ray  # noqa: F401, PLC0415 - whether it is there
    except ModuleNotFoundError as error:
        raise UsageError(
            "--engine ray needs Ray, which is not installed",
            "pip install 'qwenbatch[ray]'",
        ) from error
