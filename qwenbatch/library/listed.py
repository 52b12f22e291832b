"""Items that a program states, as the rows of a run; they are taken one by one, while it plans."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from concurrent.futures import CancelledError
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING

from qwenbatch.core.items import RowDefaults
from qwenbatch.engine.planner import PlanCancelledError
from qwenbatch.errors import UsageError
from qwenbatch.manifest.item_rows import row_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator
    from concurrent.futures import Future

    from qwenbatch.core.items import BadRow, Row
    from qwenbatch.manifest.item_rows import Item
    from qwenbatch.wiring.settings import RunSettings


class Listed:
    """The rows that items make. They can be read once, in the planner's thread.

    `loop` is where asynchronous items are waited for.
    """

    def __init__(
        self,
        items: Iterable[Item] | AsyncIterable[Item],
        settings: RunSettings,
        *,
        loop: asyncio.AbstractEventLoop | None,
    ) -> None:
        self.path = settings.source
        self._items = items
        self._limit = settings.limit
        self._defaults = RowDefaults(
            instruction=settings.instruction,
            negative_prompt=settings.negative_prompt,
            watermark=settings.watermark,
        )
        self._base = str(Path.cwd())
        self._loop = loop
        self.copies: dict[str, str] = {}
        self._left = False
        self._awaited: Future[Item | None] | None = None

    def leave(self) -> None:
        """Ask for no further item."""
        self._left = True
        if self._awaited is not None:
            self._awaited.cancel()

    def __iter__(self) -> Iterator[Row | BadRow]:
        """Every item's row; PlanCancelledError once it is left."""
        numbered = zip(count(1), islice(self._stated(), self._limit), strict=False)
        for number, item in numbered:
            if self._left:
                raise PlanCancelledError
            yield row_of(item, number=number, base=self._base, defaults=self._defaults)

    def _stated(self) -> Iterator[Item]:
        if not isinstance(self._items, AsyncIterable):
            yield from self._items
            return
        iterator = aiter(self._items)
        while (item := self._await_next(iterator)) is not None:
            yield item

    def _await_next(self, iterator: AsyncIterator[Item]) -> Item | None:
        if self._loop is None:
            raise UsageError("only `open` takes items that are iterated with `async for`")
        if self._left:
            raise PlanCancelledError
        self._awaited = asyncio.run_coroutine_threadsafe(_next(iterator), self._loop)
        try:
            if self._left:
                self._awaited.cancel()
            return self._awaited.result()
        except CancelledError:
            if self._left:
                raise PlanCancelledError from None
            raise


async def _next(iterator: AsyncIterator[Item]) -> Item | None:
    return await anext(iterator, None)
