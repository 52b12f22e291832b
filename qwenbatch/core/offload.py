"""Work that may block, done where it holds up nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Offload(Protocol):
    """Does blocking work off the event loop, such as in a thread."""

    async def __call__(self, work: Callable[[], T], /) -> T:
        """What the work returns; what it raises is raised here.

        A scope's cancellation (anyio's) that comes meanwhile is felt only at the caller's next
        step: until the work is over it may still use what its caller would take away, and what it
        did is told. One that came before may be felt at once, or only then.
        """
