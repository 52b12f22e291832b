"""The life of one edit, step by step. Whoever opens this project reads this file first.

    slot → source ready → pace → permit → POST → ledger → (again, or done)

Where the process dies, the ledger knows: before the permit nothing was reserved and nothing sent;
between permit and ledger the edit is found `sending`, and the next run calls it uncertain; after
the ledger has the answer, nothing leads back to a POST by itself.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, assert_never

from qwenbatch.core.attempts import (
    AttemptEnd,
    CapRefusal,
    Permit,
    PermitRequest,
    StateRefusal,
    attempt_id,
)
from qwenbatch.core.events import AttemptEnded, AttemptSent
from qwenbatch.core.money import NOTHING
from qwenbatch.core.plan import Conducted
from qwenbatch.core.replies import Answered, Broken, Withheld
from qwenbatch.core.retry import AfterAttempt, Tally, after_attempt
from qwenbatch.core.states import EditEvent
from qwenbatch.core.verdicts import VERDICTS, Kind, Verdict
from qwenbatch.engine.shield import unbroken
from qwenbatch.errors import QwenbatchError

if TYPE_CHECKING:
    from collections.abc import Callable

    from qwenbatch.core.attempts import AttemptId
    from qwenbatch.core.money import MicroUSD
    from qwenbatch.core.plan import Edit
    from qwenbatch.core.replies import Reply
    from qwenbatch.core.retry import RetryPolicy
    from qwenbatch.engine.ports import Clock, Gateway, Permits, ReadySource, Report, Throttle


_GIVEN_UP = "given up by this program while it waited for the answer"


class Conductor:
    """Leads edits through their lives, any number at once."""

    def __init__(
        self,
        *,
        run: str,
        price: MicroUSD,
        policy: RetryPolicy,
        ledger: Permits,
        gateway: Gateway,
        governor: Throttle,
        clock: Clock,
        jitter: Callable[[], float],
        report: Report,
    ) -> None:
        self._run = run
        self._price = price
        self._policy = policy
        self._ledger = ledger
        self._gateway = gateway
        self._governor = governor
        self._clock = clock
        self._jitter = jitter
        self._report = report
        self._lives = count(1)

    async def conduct(self, edit: Edit) -> Conducted:
        """Send an edit until it is edited, refused, uncertain, or this run leaves it."""
        tally = Tally()
        life = next(self._lives)
        for number in count(1):
            news = self._governor.news()
            attempt = attempt_id(self._run, edit.key, life=life, number=number)
            end = await self._attempt(edit, attempt, tally)
            if isinstance(end, Conducted):
                return end
            if isinstance(end, CapRefusal):
                await self._governor.refused(end, news)
            elif end.event is EditEvent.ANSWERED:
                return Conducted.EDITED
            elif end.wait is None or not await self._governor.rest(end.wait):
                return Conducted.LEFT
            else:
                tally = end.tally
        raise AssertionError  # `count` never ends

    async def _attempt(
        self,
        edit: Edit,
        attempt: AttemptId,
        tally: Tally,
    ) -> AfterAttempt | CapRefusal | Conducted:
        """One turn at the gateway: slot, source ready, pace, permit, POST, ledger."""
        async with self._governor.slot() as may_go:
            if not may_go:
                return Conducted.LEFT
            async with self._gateway.ready(edit.keyed) as source:
                if source is None:
                    return Conducted.CHANGED
                if not await self._governor.turn():
                    return Conducted.LEFT
                # Under a shield: a permit that is granted while we are cancelled would be lost.
                try:
                    permit = await unbroken(self._ledger.permit(self._request(edit, attempt)))
                    match permit:
                        case Permit():
                            return await self._send(edit, attempt, source, tally)
                        case StateRefusal():
                            return Conducted.LEFT
                        case CapRefusal():
                            return permit
                        case never:
                            assert_never(never)
                finally:
                    self._governor.landed()

    async def _send(
        self,
        edit: Edit,
        attempt: AttemptId,
        source: ReadySource,
        tally: Tally,
    ) -> AfterAttempt | Conducted:
        """From permit to ledger: whatever happens in here is recorded before it is left."""
        began = self._clock.monotonic()
        try:
            await self._governor.departs()
            # The wait for the departure says nothing about the gateway's latency.
            began = self._clock.monotonic()
            if self._governor.stopping:
                reply: Reply = Withheld()
            else:
                self._report(_sent(edit, attempt))
                reply = await source.post(attempt)
                if isinstance(reply, Withheld):
                    self._report(_unsent(edit, attempt, reply))
        except BaseException as error:
            await unbroken(self._record_abort(edit, attempt, source, began, _why(error)))
            raise
        if isinstance(reply, Withheld):
            await unbroken(self._release(edit, attempt))
            return Conducted.LEFT if self._governor.stopping else Conducted.CHANGED
        return await unbroken(self._record(edit, attempt, reply, tally, began))

    async def _record(
        self,
        edit: Edit,
        attempt: AttemptId,
        reply: Answered | Broken,
        tally: Tally,
        began: float,
    ) -> AfterAttempt:
        """Make the end of an attempt durable, raw answer and all, before anything acts on it."""
        kind = reply.kind
        after = after_attempt(kind, tally, self._policy, self._jitter())
        ended = _ended(edit, attempt, reply, kind, after.event)
        await self._ledger.end(ended)
        seconds = self._clock.monotonic() - began
        self._governor.heard(
            kind,
            retry_after=reply.answer.retry_after if isinstance(reply, Answered) else None,
            seconds=seconds,
            again=after.wait is not None,
        )
        self._report(
            AttemptEnded(
                key=edit.key.hex(),
                attempt=str(attempt),
                image=edit.keyed.row.image,
                kind=kind,
                message=ended.message,
                request_id=ended.request_id,
                status=ended.status,
                seconds=seconds,
                cost=self._price if _may_cost(kind) else NOTHING,
                again_in=None if self._governor.stopping else after.wait,
                items=edit.items,
            ),
        )
        return after

    async def _release(self, edit: Edit, attempt: AttemptId) -> None:
        """Give a permit back that was not used: no POST was made, or none that could have run."""
        await self._ledger.release(edit.key, attempt)
        self._governor.freed()

    async def _record_abort(
        self, edit: Edit, attempt: AttemptId, source: ReadySource, began: float, why: str
    ) -> None:
        """We are cancelled, or broken, in mid-flight: say at once what may have been paid."""
        if not source.handed_over:
            await self._release(edit, attempt)
            return
        await self._ledger.end(
            AttemptEnd(
                key=edit.key,
                attempt=attempt,
                event=EditEvent.DOUBTED,
                kind=Kind.CUT_OFF,
                message=why,
            ),
        )
        self._report(
            AttemptEnded(
                key=edit.key.hex(),
                attempt=str(attempt),
                image=edit.keyed.row.image,
                kind=Kind.CUT_OFF,
                message=why,
                request_id="",
                status=None,
                seconds=self._clock.monotonic() - began,
                cost=self._price,
                again_in=None,
                items=edit.items,
            ),
        )

    def _request(self, edit: Edit, attempt: AttemptId) -> PermitRequest:
        return PermitRequest(
            key=edit.key,
            attempt=attempt,
            price=self._price,
            expected=edit.expected,
            paths=edit.paths,
        )


def _why(error: BaseException) -> str:
    """What is told of an attempt that ended with this in place of a reply."""
    if isinstance(error, QwenbatchError):
        return f"its answer could not be kept: {error.what}"
    return _GIVEN_UP


def _may_cost(kind: Kind | None) -> bool:
    return kind is None or VERDICTS.get(kind) is Verdict.UNCERTAIN


def _sent(edit: Edit, attempt: AttemptId) -> AttemptSent:
    return AttemptSent(key=edit.key.hex(), attempt=str(attempt), image=edit.keyed.row.image)


def _unsent(edit: Edit, attempt: AttemptId, withheld: Withheld) -> AttemptEnded:
    """No attempt after all: a source that changed is keyed anew at once, but only once."""
    return AttemptEnded(
        key=edit.key.hex(),
        attempt=str(attempt),
        image=edit.keyed.row.image,
        kind=Kind.SOURCE_CHANGED if withheld.changed else Kind.UNREACHABLE,
        message="" if withheld.changed else "it could not be sent whole in its time",
        request_id="",
        status=None,
        seconds=0.0,
        cost=NOTHING,
        again_in=0.0 if withheld.changed and not edit.rekeyed else None,
        items=edit.items,
    )


def _ended(
    edit: Edit,
    attempt: AttemptId,
    reply: Answered | Broken,
    kind: Kind | None,
    event: EditEvent,
) -> AttemptEnd:
    if isinstance(reply, Broken):
        return AttemptEnd(
            key=edit.key,
            attempt=attempt,
            event=event,
            kind=kind,
            message=reply.reason,
        )
    answer = reply.answer
    return AttemptEnd(
        key=edit.key,
        attempt=attempt,
        event=event,
        kind=kind,
        status=answer.status,
        message=" ".join(filter(None, (answer.code, answer.message))),
        request_id=answer.request_id,
        url=answer.url,
        width=answer.usage.width,
        height=answer.usage.height,
        raw=reply.raw,
    )
