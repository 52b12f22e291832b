"""Edits and placements as the run asks for them, done by workers elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
from msgspec.structs import replace

from qwenbatch.core.paths import fold
from qwenbatch.core.plan import Conducted
from qwenbatch.core.retry import FETCH_WAITS
from qwenbatch.core.states import EditEvent, EditState
from qwenbatch.errors import QwenbatchError
from qwenbatch.fleet.messages import Conduct, Outcome, Place

if TYPE_CHECKING:
    from qwenbatch.core.keys import EditKey
    from qwenbatch.core.plan import Edit
    from qwenbatch.fleet.jobs import Jobs
    from qwenbatch.fleet.messages import Finished
    from qwenbatch.fleet.ports import Books, Governor
    from qwenbatch.fleet.tower import Tower

LOCKS = 256
"""Locks that all paths share: enough that two paths seldom wait for each other."""


class WorkerDefectError(Exception):
    """A defect of the program, in a worker; its words are the worker's traceback."""


class ConductorAfar:
    """Leads edits through their lives at workers."""

    def __init__(self, jobs: Jobs, tower: Tower) -> None:
        self._jobs = jobs
        self._tower = tower

    async def conduct(self, edit: Edit) -> Conducted:
        """Have an edit sent by whoever holds a lease.

        One that an earlier life of the keeper let go is awaited first: only what turns out not to
        have been paid is sent anew.
        """
        if edit.expected is EditState.SENDING:
            match await self._tower.orphan(edit.key):
                case EditEvent.ANSWERED:
                    return Conducted.EDITED
                case EditEvent.DOUBTED | EditEvent.REFUSED:
                    return Conducted.LEFT
                case _:
                    edit = replace(edit, expected=EditState.PENDING)
        conducted: Conducted = _value(await self._jobs.do(Conduct(edit)))
        return conducted


class PlacerAfar:
    """Brings results to their paths by workers, no two of them at one path."""

    def __init__(self, jobs: Jobs, books: Books, governor: Governor) -> None:
        self._jobs = jobs
        self._books = books
        self._governor = governor
        self._paths = tuple(anyio.Lock() for _ in range(LOCKS))

    async def place(
        self,
        key: EditKey,
        *,
        paid_now: bool,
        waits: tuple[float, ...] = FETCH_WAITS,
    ) -> None:
        """Have a paid edit's result brought to every path that waits for it."""
        async with self._governor.placing():
            edit = await self._books.paid_edit(key)
            wanted = sorted({hash(fold(one.path)) % LOCKS for one in edit.waiting})
            async with _all(*(self._paths[number] for number in wanted)):
                settled = _value(await self._jobs.do(Place(key, paid_now, waits)))
                if not settled:
                    self._governor.gave_up_placing()


class _all:  # noqa: N801 - reads as the words that it stands for
    """Several locks, taken in their order."""

    def __init__(self, *locks: anyio.Lock) -> None:
        self._locks = locks
        self._held: list[anyio.Lock] = []

    async def __aenter__(self) -> None:
        try:
            for lock in self._locks:
                await lock.acquire()
                self._held.append(lock)
        except BaseException:
            self._release()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._release()

    def _release(self) -> None:
        while self._held:
            self._held.pop().release()


def _value(finished: Finished) -> Any:
    match finished.outcome:
        case Outcome.REFUSED:
            raise finished.error or QwenbatchError("a worker refused an errand")
        case Outcome.BROKEN:
            raise WorkerDefectError(finished.defect)
        case _:
            return finished.value
