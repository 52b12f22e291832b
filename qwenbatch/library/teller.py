"""Tells what becomes of each item, once, as soon as that is final for the run.

Whoever listens asks for pages; nothing is read ahead of them. What is kept meanwhile is a bit for
each item and the keys of at most `MOST_DUE` edits that came to their end: those beyond are told
when the run is over.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from qwenbatch.core.events import AttemptEnded, ResultLost, ResultSaved
from qwenbatch.core.keys import EditKey
from qwenbatch.core.plan import is_final
from qwenbatch.errors import QwenbatchError
from qwenbatch.ledger import following

if TYPE_CHECKING:
    from qwenbatch.core.events import Event
    from qwenbatch.core.outcomes import Outcome
    from qwenbatch.ledger.writer import Writer
    from qwenbatch.wiring.places import Place

PAGE = 256
"""Items that are told at once."""

MOST_DUE = 65_536


class Teller:
    """A run's report and follower. All of it happens in the run's event loop."""

    def __init__(self, out: Place) -> None:
        self._out = out
        self._ledger: Writer | None = None
        self._manifest = ""
        self._told = bytearray()
        self._due: dict[EditKey, int] = {}
        self._swept: int | None = 0
        self._over = False
        self._closed = False
        self._news = asyncio.Event()
        self._heard_out = asyncio.Event()

    # ------------------------------------------------------------------ for the run

    def __call__(self, event: Event, /) -> None:
        """Note which edits came to their end."""
        match event:
            case ResultSaved(key=key) | ResultLost(key=key):
                self._note(key)
            case AttemptEnded(key=key, again_in=None, kind=kind) if kind is not None:
                self._note(key)
            case _:
                pass

    def begin(self, ledger: Writer, manifest: str) -> None:
        """The plan stands: what nothing is done about is final already."""
        self._ledger, self._manifest = ledger, manifest
        self._news.set()

    async def finish(self) -> None:
        """The run is over: all that was not told is final. Returns once it is told, or `leave`."""
        self._over = True
        self._due.clear()
        self._swept = 0
        self._news.set()
        await self._heard_out.wait()

    def close(self) -> None:
        """Nothing more can be told."""
        self._closed = True
        self._news.set()

    # ------------------------------------------------------------------ for who listens

    async def next_page(self) -> list[Outcome]:
        """The next outcomes; waits for them. None are left once this is empty."""
        while not self._closed:
            self._news.clear()
            found: list[Outcome] | None = None
            # A ledger that cannot be read any more ends the run, which says so.
            with suppress(QwenbatchError):
                found = await self._look()
            if found:
                return found
            if found is None:
                if self._over:
                    break
                await self._news.wait()
        self.leave()
        return []

    def leave(self) -> None:
        """Nobody listens any more."""
        self.close()
        self._heard_out.set()

    async def heard_out(self) -> None:
        """Wait until nobody listens any more."""
        await self._heard_out.wait()

    # ------------------------------------------------------------------ what is found

    def _note(self, key: str) -> None:
        if len(self._due) < MOST_DUE and not self._over:
            self._due[EditKey(bytes.fromhex(key))] = 0
            self._news.set()

    async def _look(self) -> list[Outcome] | None:
        """Outcomes that were not told, perhaps none; None if there is nothing to look at."""
        ledger = self._ledger
        if ledger is None:
            return None
        if self._due:
            key, after = next(iter(self._due.items()))
            del self._due[key]
            found = await ledger(
                lambda db: following.numbers_of(db, key, after=after, most=PAGE),
            )
            if len(found) == PAGE and not self._over:
                self._due[key] = found[-1]
            return await self._read(ledger, found)
        if self._swept is not None:
            last, idle = self._swept, not self._over
            found = await ledger(
                lambda db: following.numbers(db, after=last, most=PAGE, idle=idle),
            )
            if idle is not self._over:  # else the run ended meanwhile: it is swept anew
                self._swept = found[-1] if found else None
            return await self._read(ledger, found)
        return None

    async def _read(self, ledger: Writer, numbers: list[int]) -> list[Outcome]:
        new = [number for number in numbers if not self._was_told(number)]
        if not new:
            return []
        over = self._over
        if self._closed:
            return []
        rows = await ledger(
            lambda db: following.read(db, new, manifest=self._manifest, out=self._out),
        )
        found = [outcome for fate, outcome in rows if over or is_final(fate, outcome.state)]
        for outcome in found:
            self._tell(outcome.number)
        return found

    def _was_told(self, number: int) -> bool:
        byte = number >> 3
        return byte < len(self._told) and bool(self._told[byte] & 1 << (number & 7))

    def _tell(self, number: int) -> None:
        byte = number >> 3
        if byte >= len(self._told):
            self._told.extend(bytes(byte + 1 - len(self._told) + PAGE))
        self._told[byte] |= 1 << (number & 7)
