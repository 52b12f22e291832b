"""The spools of a fleet's workers on this machine: one a worker, left to whoever comes next."""

from __future__ import annotations

import fcntl
import os
from contextlib import ExitStack, closing, suppress
from itertools import count
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from qwenbatch.errors import DiskError
from qwenbatch.ledger.spool import Spool, Spooled, SpooledEnd, SpooledRelease
from qwenbatch.ledger.spool import read as read_spool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from qwenbatch.core.attempts import AttemptEnd, AttemptId
    from qwenbatch.core.keys import EditKey
    from qwenbatch.core.money import MicroUSD

MOST_WORKERS = 1000
"""Spools that are looked for in one folder."""

DRAINING = 1.0
"""Seconds for which a half full spool waits for the ledger to have all that is in it."""


class WorkerSpools:
    """The spools in one folder that no living worker holds; the first of them is this one's.

    A spool is held by a lock that the kernel frees when its worker dies: so whoever comes up on
    this machine next hands in what the dead one kept, and then takes its place.
    """

    def __init__(
        self, folder: Path, *, records: int, price: MicroUSD, wall: Callable[[], float]
    ) -> None:
        self._records = records
        self._price = price
        self._wall = wall
        self._stack = ExitStack()
        self._spool: Spool | None = None
        self._pending: list[Spooled] = []
        self._writing = anyio.Lock()
        self._kept = 0
        self._drained = anyio.Event()
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._files = self._claim(folder)
        except OSError as error:
            raise DiskError(
                f"the worker's spool in {folder} cannot be made: {error.strerror}",
                "let XDG_STATE_HOME name a folder on a local disk of the worker",
            ) from error

    def reports(self) -> list[Spooled]:
        """What dead workers kept, and perhaps could not hand in."""
        return [record for file in self._files for record in read_spool(file)]

    def begin(self) -> None:
        """The reports are in the ledger: forget them, and open this worker's own spool."""
        own, *others = self._files
        self._spool = self._stack.enter_context(closing(Spool(own, records=self._records)))
        for other in others:
            other.unlink(missing_ok=True)

    def close(self) -> None:
        """Leave what the ledger does not have to whoever comes next, and else no file."""
        if self._spool is not None and not self._kept:
            with suppress(OSError):
                self._files[0].unlink()
        self._stack.close()

    def _claim(self, folder: Path) -> list[Path]:
        """This worker's file, and those that dead ones left: their numbers may have gaps."""
        left = sorted(int(file.stem) for file in folder.glob("*.spool") if file.stem.isdecimal())
        claimed = [number for number in left[:MOST_WORKERS] if self._is_mine(folder, number)]
        if not claimed:
            unused = (number for number in count() if number not in left)
            claimed = [next(number for number in unused if self._is_mine(folder, number))]
        return [folder / f"{number}.spool" for number in claimed]

    def _is_mine(self, folder: Path, number: int) -> bool:
        return self._lock(folder / f"{number}.lock")

    def _lock(self, path: Path) -> bool:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._stack.callback(os.close, descriptor)
        return True

    # ------------------------------------------------------------------ while it works

    async def keep(self, ended: AttemptEnd) -> None:
        """Make an end durable here, before anything acts on it."""
        await self._add(SpooledEnd(ended, int(self._wall() * 1000), self._price))

    async def keep_release(self, key: EditKey, attempt: AttemptId) -> None:
        """Make it durable that a permit was not used."""
        await self._add(SpooledRelease(key, attempt))

    async def handed_in(self) -> None:
        """One more of what is kept is in the ledger."""
        self._kept -= 1
        if not self._kept:
            self._drained.set()
            self._drained = anyio.Event()

    async def _add(self, record: Spooled) -> None:
        """Whoever comes while a flush is under way shares the next one."""
        self._pending.append(record)
        async with self._writing:
            if not any(one is record for one in self._pending):
                return
            spool = self._spool
            if spool is None:
                raise AssertionError  # nothing is sent before it is open
            if spool.half_full:
                await self._make_room(spool)
            batch, self._pending = self._pending, []
            self._kept += len(batch)
            await anyio.to_thread.run_sync(lambda: spool.add(*batch))

    async def _make_room(self, spool: Spool) -> None:
        """Begin the spool anew, if the ledger has all of it.

        Cut off from the keeper it never will: then the other half takes the ends of all that may
        be in flight, for they must outlive this worker.
        """
        with anyio.move_on_after(DRAINING):
            await self._until_drained()
        if self._kept and not spool.has_room(len(self._pending)):
            await self._until_drained()
        if not self._kept:
            await anyio.to_thread.run_sync(spool.clear)

    async def _until_drained(self) -> None:
        while self._kept:
            await self._drained.wait()
