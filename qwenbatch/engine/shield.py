"""Steps that a cancelled run still finishes, because money or a result hangs on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable

T = TypeVar("T")


async def unbroken(step: Awaitable[T]) -> T:
    """Await a short step to its end; a cancellation that comes meanwhile is felt after it."""
    with anyio.CancelScope(shield=True):
        return await step
    raise AssertionError  # nothing cancels this scope but its own owner
