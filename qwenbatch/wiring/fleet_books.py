"""The ledger and the plan, as the keeper of a fleet asks them for its workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

import anyio.to_thread

from qwenbatch.fleet.messages import BookCall
from qwenbatch.ledger import intake, resuming
from qwenbatch.ledger.plan import PlanStore
from qwenbatch.ledger.spool import SpooledEnd
from qwenbatch.wiring.provenance import texts_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from qwenbatch.core.attempts import AttemptEnd, AttemptId, PermitAnswer, PermitRequest
    from qwenbatch.core.keys import EditKey
    from qwenbatch.core.placements import PaidEdit
    from qwenbatch.ledger.ledger import Ledger
    from qwenbatch.ledger.spool import Spooled
    from qwenbatch.ledger.writer import Writer


class FleetBooks:
    """One run's books. `saw` is told the size in bytes of each result that comes."""

    def __init__(self, writer: Writer, ledger: Ledger, saw: Callable[[int], None]) -> None:
        self._do = writer
        self._ledger = ledger
        self._plan = PlanStore(writer)
        self._saw = saw

    async def permit(self, request: PermitRequest) -> PermitAnswer:
        """Allow one POST and reserve its price in one transaction, or say why not."""
        return await self._ledger.permit(request)

    async def release(self, key: EditKey, attempt: AttemptId) -> None:
        """Give back a permit that was not used."""
        await self._ledger.release(key, attempt)

    async def end(self, ended: AttemptEnd) -> None:
        """Record how an attempt ended; one that is not in flight any more is healed or left."""
        await self._ledger.end(ended)

    async def take_in(self, report: Spooled) -> AttemptEnd | None:
        """Record what a worker had spooled: an end, or None for a release."""
        await self._do(lambda db: intake.take_in(db, report))
        return report.ended if isinstance(report, SpooledEnd) else None

    async def next_fence(self) -> int:
        """A number that is higher than any that was ever given; durable."""
        return await self._do(resuming.next_fence)

    async def paid_edit(self, key: EditKey) -> PaidEdit:
        """A paid edit with its answers and placements."""
        return await self._ledger.paid_edit(key)

    async def placement_call(  # noqa: PLR0911 - a table
        self, call: BookCall, arguments: tuple[Any, ...]
    ) -> Any:
        """What a placement asks."""
        match call:
            case BookCall.PAID_EDIT:
                return await self._ledger.paid_edit(*arguments)
            case BookCall.PLACEMENT:
                return await self._ledger.placement(*arguments)
            case BookCall.CLAIMED:
                return await self._ledger.claimed(*arguments)
            case BookCall.PREPARE:
                self._saw(arguments[0].size)
                return await self._ledger.prepare(*arguments)
            case BookCall.SAVE:
                return await self._ledger.save(*arguments)
            case BookCall.LOSE:
                return await self._ledger.lose(*arguments)
            case BookCall.KNOWN_FILES:
                return await anyio.to_thread.run_sync(self._plan.known_files, *arguments)
            case BookCall.IS_SOURCE:
                return await anyio.to_thread.run_sync(self._plan.is_source, *arguments)
            case BookCall.EMBEDDED_TEXTS:
                return await texts_of(self._do, *arguments)
            case never:
                assert_never(never)
