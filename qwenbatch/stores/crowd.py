"""Many requests at once, bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import anyio

from qwenbatch.errors import QwenbatchError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

T = TypeVar("T")

AT_ONCE = 64
"""Requests that look or read at the same time: such work waits for the network, not for a core."""


async def each(
    things: Sequence[T], do: Callable[[T], Awaitable[None]], *, at_once: int = AT_ONCE
) -> None:
    """Do something with each, so many at once; the first error of ours ends it, and comes alone."""
    left = iter(things)
    failures: list[QwenbatchError] = []

    async def work() -> None:
        for thing in left:
            try:
                await do(thing)
            except QwenbatchError as error:
                failures.append(error)
                group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        for _ in range(min(at_once, len(things))):
            group.start_soon(work)
    if failures:
        raise failures[0]
