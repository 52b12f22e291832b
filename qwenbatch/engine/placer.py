"""A paid result's way to its paths: from the disk if a copy is left, else fetched; never re-sent.

    obtain (copy or fetch) → verify → ledger: digest and path → rename → flush → ledger: saved

Where the process dies, the next run goes on: before the digest is recorded it obtains the result
again, free of charge; after it, a file that has the digest is adopted.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, assert_never
from weakref import WeakValueDictionary

import anyio
import msgspec
from msgspec.structs import replace

from qwenbatch.core.events import FetchFailed, ResultLost, ResultSaved
from qwenbatch.core.occupancy import REFUSALS, Claim, Occupant, claim
from qwenbatch.core.paths import fold
from qwenbatch.core.placements import Displaced, PaidEdit, Placement, Preparation, Saved
from qwenbatch.core.results import Staged, Trouble, Unfetched, is_lost, most_hopeful
from qwenbatch.core.retry import FETCH_WAITS
from qwenbatch.engine.shield import unbroken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qwenbatch.core.holdings import Claimed, Holding
    from qwenbatch.core.keys import EditKey
    from qwenbatch.engine.ports import (
        Clock,
        Fetcher,
        OutPath,
        PlacementBook,
        PlacingThrottle,
        Report,
        Shelf,
    )


LOCKS = 256
"""Locks that all paths share: enough that two paths seldom wait for each other."""


class _Job(msgspec.Struct, frozen=True):
    """An edit that is being placed, and how."""

    edit: PaidEdit
    paid_now: bool
    waits: tuple[float, ...]


class Placer:
    """Brings paid results to their paths."""

    def __init__(
        self,
        *,
        book: PlacementBook,
        out: OutPath,
        shelf: Shelf,
        fetcher: Fetcher,
        fetches: int,
        overwrite: bool,
        governor: PlacingThrottle,
        clock: Clock,
        report: Report,
    ) -> None:
        self._book = book
        self._out = out
        self._shelf = shelf
        self._fetcher = fetcher
        self._fetches = anyio.Semaphore(fetches, fast_acquire=True)
        self._paths = tuple(anyio.Lock(fast_acquire=True) for _ in range(LOCKS))
        self._edits: WeakValueDictionary[EditKey, anyio.Lock] = WeakValueDictionary()
        self._overwrite = overwrite
        self._governor = governor
        self._clock = clock
        self._report = report

    async def place(
        self,
        key: EditKey,
        *,
        paid_now: bool,
        waits: tuple[float, ...] = FETCH_WAITS,
    ) -> None:
        """Bring an edit's result to every path that waits for it, or leave it waiting.

        `paid_now` says that this run paid for the edit, `waits` how patiently it is fetched.
        Asked again meanwhile, as by a row that is keyed anew, it then looks at what still waits.
        """
        alone = self._edits.setdefault(key, anyio.Lock(fast_acquire=True))
        async with self._governor.placing(), alone:
            edit = await self._book.paid_edit(key)
            job = _Job(edit, paid_now, waits)
            saved = list(edit.saved)
            settled = True
            for number, placement in enumerate(edit.waiting, start=1):
                settled = await self._place_one(job, placement, saved) and settled
                if number < len(edit.waiting):
                    now = await self._book.placement(key, placement.path)
                    if now is not None and now.stamp is not None:
                        saved.append(now)
            if settled:
                await self._fetcher.forget(key, _urls(edit))
            else:
                self._governor.gave_up_placing()

    async def _place_one(self, job: _Job, placement: Placement, saved: list[Placement]) -> bool:
        """Bring the result to one path; True unless the path waits on."""
        key = job.edit.key
        if await self._adopt(job, placement):
            return True
        for copy in (*self._own_copies(key, placement), *saved):
            if copy.digest is None:
                continue
            async with self._shelf.stage() as stage:
                staged = await self._shelf.copy_into(stage, copy)
                if staged is not None:
                    done = await self._put(job, placement, staged)
                    if done and copy.replaced:
                        await self._forget(job, copy)
                    return done
        return await self._fetch(job, placement)

    async def _adopt(self, job: _Job, placement: Placement) -> bool:
        """Record the file at the path, if it is this edit's result, put there before."""
        if placement.replaced is not None or placement.digest is None:
            return False
        key = job.edit.key
        async with self._at(placement.path):
            claimed = await self._book.claimed(key, placement.path, placement.suffix)
            owner = claimed.holding.owner
            if owner is not None and owner.key != key:
                # Another edit's result lies there, be it the very same picture.
                return False
            stamp = await self._shelf.adopt(placement)
            if stamp is None:
                return False
            await self._book.save(Saved(key=key, path=placement.path, stamp=stamp))
        self._tell_saved(job, claimed)
        return True

    def _at(self, path: str) -> anyio.Lock:
        """Whoever looks at a path and acts on what lies there does it alone."""
        return self._paths[hash(fold(path)) % len(self._paths)]

    def _own_copies(self, key: EditKey, placement: Placement) -> Iterator[Placement]:
        """Where a result that was at this path may still lie."""
        yield placement
        if placement.digest is not None and placement.replaced is None:
            # It may be on its way back from there, and a death came between.
            refuge = self._shelf.replaced_path(key, placement.digest, placement.suffix)
            yield replace(placement, replaced=refuge)

    async def _forget(self, job: _Job, copy: Placement) -> None:
        """Remove the file in `replaced/` of a result that left it, unless it is wanted there."""
        now = await self._book.paid_edit(job.edit.key)
        if all(one.file != copy.file for one in (*now.saved, *now.waiting)):
            await self._shelf.forget(copy.file)

    # ------------------------------------------------------------------ from where it was put

    async def _fetch(self, job: _Job, placement: Placement) -> bool:
        """Fetch the result, several times if need be; holding nothing while it waits."""
        urls = _urls(job.edit)
        failure = Unfetched(Trouble.FORBIDDEN, "no URL of the result is known")
        for wait, later in pairwise((None, *job.waits, None)):
            if not urls:
                break
            if wait is not None:
                await anyio.sleep(wait)
            failures = []
            for url in urls:
                async with self._fetches, self._shelf.stage() as stage:
                    fetched = await self._fetcher.fetch(job.edit.key, url, stage)
                    if isinstance(fetched, Staged):
                        return await self._put(job, placement, fetched)
                failures.append(fetched)
                self._tell_failed(job, url, fetched.reason, later)
            failure = most_hopeful(failures)
            urls = [url for url, one in zip(urls, failures, strict=True) if _may_come(one)]
        return await self._give_up(job, placement, failure)

    async def _give_up(self, job: _Job, placement: Placement, failure: Unfetched) -> bool:
        """For this run, or for good; True if nothing waits any more.

        What this run paid for is new, whatever the wall clock was set to meanwhile.
        """
        edit = job.edit
        newest = max((answer.answered_at for answer in edit.answers), default=0.0)
        age = 0.0 if job.paid_now else self._clock.wall() - newest
        if not is_lost(failure.trouble, age=age):
            return False
        claimed = await self._book.claimed(edit.key, placement.path, placement.suffix)
        await self._book.lose(edit.key, placement.path)
        self._report(
            ResultLost(
                key=edit.key.hex(),
                path=placement.path,
                reason=failure.reason,
                items=claimed.items,
            ),
        )
        return True

    # ------------------------------------------------------------------ into place

    async def _put(self, job: _Job, placement: Placement, staged: Staged) -> bool:
        """Record a verified result, rename it into place, record that it is there.

        False: something that is not ours has come to lie at the path; the placement waits on.
        Once the digest is recorded, a cancelled run finishes this one.
        """
        async with self._at(placement.path):
            return await unbroken(self._put_to_the_end(job, placement, staged))

    async def _put_to_the_end(self, job: _Job, placement: Placement, staged: Staged) -> bool:
        key = job.edit.key
        suffix = "" if staged.extension == "png" else f".{staged.extension}"
        claimed = await self._book.claimed(key, placement.path, suffix)
        prepared = await self._prepare(claimed, staged, suffix)
        if prepared is None:
            return False
        preparation, displaced, overwrite = prepared
        if displaced is not None:
            # Before the ledger says that it lies there: a death between the two loses nothing.
            await self._shelf.keep(*displaced)
        await self._book.prepare(preparation)
        stamp = await self._shelf.put(
            staged,
            preparation.replaced or placement.path + suffix,
            displaced=displaced,
            overwrite=overwrite,
        )
        if stamp is None:
            self._tell_blocked(claimed.holding, REFUSALS[Occupant.FOREIGN][0])
            return False
        await self._book.save(Saved(key=key, path=placement.path, stamp=stamp))
        self._tell_saved(job, claimed, _size_warning(job.edit, staged))
        return True

    async def _prepare(
        self,
        claimed: Claimed,
        staged: Staged,
        suffix: str,
    ) -> tuple[Preparation, tuple[str, str] | None, bool] | None:
        """Where the result goes, what makes room for it, and whether it may overwrite."""
        holding, belongs_to = claimed.holding, claimed.by
        owner = holding.owner
        if belongs_to is None and owner is not None:
            belongs_to = owner.key
        if belongs_to is not None and belongs_to != holding.key:
            # The path belongs to another edit by now: the result is kept for later.
            refuge = self._shelf.replaced_path(holding.key, staged.digest, suffix)
            return _preparation(holding, staged, suffix, replaced=refuge), None, True
        occupant, _ = await self._out.occupant(holding)
        match claim(occupant, overwrite=self._overwrite):
            case Claim.INVALID:
                self._tell_blocked(holding, REFUSALS[occupant][0])
                return None
            case Claim.REPLACE:
                other = owner or await self._out.unrecorded(holding)
                if other is None:  # it went away just now
                    return _preparation(holding, staged, suffix), None, False
                refuge = self._shelf.replaced_path(other.key, other.digest, other.suffix)
                displaced = Displaced(other.key, refuge)
                moved = (holding.path + other.suffix, refuge)
                return _preparation(holding, staged, suffix, displaced=displaced), moved, False
            case Claim.FREE:
                return _preparation(holding, staged, suffix), None, False
            case Claim.DONE | Claim.OVERWRITE:
                return _preparation(holding, staged, suffix), None, True
            case never:
                assert_never(never)

    # ------------------------------------------------------------------ what is told

    def _tell_saved(self, job: _Job, claimed: Claimed, warning: str = "") -> None:
        self._report(
            ResultSaved(
                key=job.edit.key.hex(),
                path=claimed.holding.path,
                items=claimed.items,
                reused=not job.paid_now,
                warning=warning,
            ),
        )

    def _tell_failed(self, job: _Job, url: str, reason: str, later: float | None) -> None:
        key = job.edit.key.hex()
        self._report(FetchFailed(key=key, url=url, reason=reason, again_in=later))

    def _tell_blocked(self, holding: Holding, reason: str) -> None:
        self._report(
            FetchFailed(
                key=holding.key.hex(),
                url="",
                reason=f"{holding.path} cannot be written: {reason}",
                again_in=None,
            ),
        )


def _preparation(
    holding: Holding,
    staged: Staged,
    suffix: str,
    *,
    replaced: str | None = None,
    displaced: Displaced | None = None,
) -> Preparation:
    return Preparation(
        key=holding.key,
        path=holding.path,
        suffix=suffix,
        replaced=replaced,
        digest=staged.digest,
        size=staged.size,
        displaced=displaced,
    )


def _may_come(failure: Unfetched) -> bool:
    """Whether asking the same URL again could help."""
    return failure.trouble not in {Trouble.FORBIDDEN, Trouble.GONE}


def _urls(edit: PaidEdit) -> list[str]:
    """Where an edit's results were put, the newest first."""
    return [answer.url for answer in reversed(edit.answers) if answer.url]


def _size_warning(edit: PaidEdit, staged: Staged) -> str:
    """What to say where a result is not of the size that its answer states."""
    stated = {(answer.usage.width, answer.usage.height) for answer in edit.answers}
    if (staged.width, staged.height) in stated or (None, None) in stated or not stated:
        return ""
    said = " or ".join(f"{width}×{height}" for width, height in stated)
    return f"its size is {staged.width}×{staged.height} px, the service said {said}"
