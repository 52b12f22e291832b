"""What a fleet needs of the rest of the house, as narrow as each user's need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from qwenbatch.core.attempts import (
        AttemptEnd,
        AttemptId,
        CapRefusal,
        PermitAnswer,
        PermitRequest,
    )
    from qwenbatch.core.events import Event
    from qwenbatch.core.keys import EditKey
    from qwenbatch.core.placements import PaidEdit
    from qwenbatch.core.plan import Conducted, Edit
    from qwenbatch.core.verdicts import Kind
    from qwenbatch.fleet.messages import BookCall, Exchange, Hello, Reply, Welcome


class KeeperLostError(Exception):
    """The keeper cannot be reached, or is not there at the moment."""


class Report(Protocol):
    """Whoever watches the run."""

    def __call__(self, event: Event, /) -> None:
        """Tell an event; it must not raise, nor take long."""


class Governor(Protocol):
    """The fleet's one throttle, gate and brake."""

    @property
    def stopping(self) -> bool:
        """Whether no new POST may be made."""

    async def stopped(self) -> None:
        """Wait until the run is stopping."""

    def slot(self) -> AbstractAsyncContextManager[bool]:
        """One of the places in flight; False if the run is stopping."""

    async def turn(self) -> bool:
        """Wait until the next POST may start; False if the run is stopping instead."""

    async def departs(self) -> None:
        """Wait until a POST that has its permit may go out, or the run is stopping."""

    def landed(self) -> None:
        """What had its turn is recorded, or was not sent after all."""

    def news(self) -> int:
        """How often anything in the run changed so far: taken before a question is asked."""

    async def refused(self, refusal: CapRefusal, news: int) -> None:
        """A cap refused a permit: wait for what changes after `news`, or stop if nothing can."""

    def heard(
        self,
        kind: Kind | None,
        *,
        retry_after: float | None,
        seconds: float,
        again: bool,
    ) -> None:
        """An attempt is recorded, and ended so."""

    def freed(self) -> None:
        """Something that others may wait for is over."""

    def placing(self) -> AbstractAsyncContextManager[None]:
        """An edit that is paid for waits for placement while this is held."""

    def gave_up_placing(self) -> None:
        """A paid result could not be had in this run."""


class Books(Protocol):
    """The ledger, as its keeper asks it. Durable on return."""

    async def permit(self, request: PermitRequest) -> PermitAnswer:
        """Allow one POST and reserve its price in one transaction, or say why not."""

    async def release(self, key: EditKey, attempt: AttemptId) -> None:
        """Give back a permit that was not used."""

    async def end(self, ended: AttemptEnd) -> None:
        """Record how an attempt ended; one that is not in flight any more is healed or left."""

    async def take_in(self, report: Any) -> AttemptEnd | None:
        """Record what a worker had spooled: an end, or None for a release."""

    async def next_fence(self) -> int:
        """A number that is higher than any that was ever given; durable."""

    async def paid_edit(self, key: EditKey) -> PaidEdit:
        """A paid edit with its answers and placements."""

    async def placement_call(self, call: BookCall, arguments: tuple[Any, ...]) -> Any:
        """What a placement asks; DiskError and others of ours as the books raise them."""


class Placing(Protocol):
    """Brings paid results to their paths."""

    async def place(self, key: EditKey, *, paid_now: bool) -> None:
        """Bring an edit's result to every path that waits for it, or leave it waiting."""


# ---------------------------------------------------------------------- of a worker


class Counter(Protocol):
    """The keeper, as a worker reaches it. KeeperLostError when it cannot be reached."""

    async def hello(self, hello: Hello) -> Welcome:
        """Ask for a lease; UsageError if this worker is not wanted."""

    async def exchange(self, exchange: Exchange) -> Reply:
        """Hand over what there is, and take what has come; waits a little for it."""


class Spool(Protocol):
    """The worker's own durable memory of how attempts ended."""

    async def keep(self, ended: AttemptEnd) -> None:
        """Make an end durable here, before anything acts on it."""

    async def keep_release(self, key: EditKey, attempt: AttemptId) -> None:
        """Make it durable that a permit was not used."""

    async def handed_in(self) -> None:
        """One more of what is kept is in the ledger."""


class Hands(Protocol):
    """What does the errands of one lease, over the ways to the keeper that it was given."""

    async def conduct(self, edit: Edit) -> Conducted:
        """Send an edit until it is edited, refused, uncertain, or left."""

    async def place(self, key: EditKey, *, paid_now: bool, waits: tuple[float, ...]) -> None:
        """Bring an edit's result to its paths."""
