"""The ledger of one OUT, as the engine uses it: every method is durable when it returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qwenbatch.core.holdings import Claimed
from qwenbatch.core.placements import FileStamp, PaidAnswer, PaidEdit, Placement
from qwenbatch.core.states import PlacementState
from qwenbatch.core.verdicts import Usage
from qwenbatch.errors import QwenbatchError
from qwenbatch.ledger import edits, placements
from qwenbatch.ledger.agenda import items_at, owner_of
from qwenbatch.ledger.database import all_rows
from qwenbatch.ledger.plan import HOLDINGS, holding_of
from qwenbatch.ledger.spool import SpooledEnd, SpooledRelease

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import apsw

    from qwenbatch.core.attempts import AttemptEnd, AttemptId, PermitAnswer, PermitRequest
    from qwenbatch.core.budget import Caps
    from qwenbatch.core.holdings import Holding
    from qwenbatch.core.keys import EditKey
    from qwenbatch.core.money import MicroUSD
    from qwenbatch.core.placements import Preparation, Saved
    from qwenbatch.core.verdicts import Kind
    from qwenbatch.ledger.spool import Spool
    from qwenbatch.ledger.writer import Writer


class Ledger:
    """Permits, ends of attempts, and placements of one run. `wall` gives seconds of the epoch."""

    def __init__(
        self,
        writer: Writer,
        *,
        run: int,
        caps: Caps,
        spool: Spool,
        wall: Callable[[], float],
    ) -> None:
        self._do = writer
        self._spool = spool
        self._run = run
        self._caps = caps
        self._wall = wall
        self._price: MicroUSD | None = None

    # ------------------------------------------------------------------ edits and money

    async def permit(self, request: PermitRequest) -> PermitAnswer:
        """Allow one POST and reserve its price in one transaction, or say why not."""
        self._price = request.price
        return await self._do(
            lambda db: edits.permit(
                db,
                request,
                run=self._run,
                caps=self._caps,
                now=self._now(),
            ),
        )

    async def release(self, key: EditKey, attempt: AttemptId) -> None:
        """Give back a permit that was not used; raises if only the spool could take it."""
        try:
            await self._do(lambda db: edits.release(db, key, attempt))
        except QwenbatchError:
            self._spool.add(SpooledRelease(key, attempt))
            raise

    async def end(self, ended: AttemptEnd) -> None:
        """Record how an attempt ended, raw answer and all.

        Raises QwenbatchError if only the spool could take it: the next start does so from there.
        """
        now = self._now()
        try:
            await self._do(lambda db: edits.end(db, ended, now=now))
        except QwenbatchError:
            self._spool.add(SpooledEnd(ended, now, self._price))
            raise

    async def remember_kind(self, key: EditKey, kind: Kind) -> None:
        """Note why an edit was not even sent."""
        await self._do(lambda db: edits.remember_kind(db, key, kind))

    # ------------------------------------------------------------------ placements

    async def want(self, key: EditKey, paths: Sequence[str]) -> None:
        """A paid edit's result is to be placed at these paths."""

        def move(db: apsw.Connection) -> None:
            for path in paths:
                placements.want_again(db, key, path)

        await self._do(move)

    async def is_lost(self, key: EditKey) -> bool:
        """Whether nothing of a paid edit is in place, or may yet be."""
        return await self._do(
            lambda db: placements.is_lost(
                db,
                db.execute("SELECT id FROM edits WHERE key = ?", (key,)).get,
            ),
        )

    async def next_waiting(self, after: int, limit: int) -> list[tuple[int, EditKey]]:
        """Paid edits with a path that waits: their numbers, which rise, and keys."""
        return await self._do(
            lambda db: all_rows(
                db.execute(
                    "SELECT DISTINCT e.id, e.key FROM placements p JOIN edits e ON e.id = p.edit"
                    " WHERE p.state = 'waiting' AND e.state = 'edited' AND e.id > ?"
                    " ORDER BY e.id LIMIT ?",
                    (after, limit),
                ),
            ),
        )

    async def paid_edit(self, key: EditKey) -> PaidEdit:
        """A paid edit with its answers and all its placements."""
        return await self._do(lambda db: _paid_edit(db, key))

    async def placement(self, key: EditKey, path: str) -> Placement | None:
        """An edit's placement at a path, if it is noted and not lost."""
        edit = await self.paid_edit(key)
        return next((one for one in (*edit.saved, *edit.waiting) if one.path == path), None)

    async def claimed(self, key: EditKey, path: str, suffix: str) -> Claimed:
        """What ledger and planned manifest have on an edit's path, and to whom it belongs."""
        return await self._do(
            lambda db: Claimed(
                holding=_holding(db, key, path, suffix),
                by=owner_of(db, path),
                items=items_at(db, key, path),
            ),
        )

    async def prepare(self, preparation: Preparation) -> None:
        """Record a verified result's digest and path before it is renamed into place."""
        await self._do(lambda db: placements.prepare(db, preparation))

    async def save(self, saved: Saved) -> None:
        """Record that a result is in place."""
        await self._do(lambda db: placements.save(db, saved))

    async def lose(self, key: EditKey, path: str) -> None:
        """Record that a paid result can no longer be had for a path."""
        await self._do(lambda db: placements.lose(db, key, path))

    def _now(self) -> int:
        return int(self._wall() * 1000)


def _paid_edit(db: apsw.Connection, key: EditKey) -> PaidEdit:
    answers = all_rows(
        db.execute(
            "SELECT a.url, a.width, a.height, a.request_id, a.ended_at FROM attempts_whole a"
            " JOIN edits e ON e.id = a.edit WHERE e.key = ? AND a.state = 'paid'"
            " ORDER BY a.ended_at",
            (key,),
        ),
    )
    found = all_rows(
        db.execute(
            "SELECT p.state, p.path, p.suffix, p.replaced, p.digest, p.size, p.mtime, p.inode"
            " FROM placements p JOIN edits e ON e.id = p.edit WHERE e.key = ? ORDER BY p.path",
            (key,),
        ),
    )
    return PaidEdit(
        key=key,
        answers=tuple(
            PaidAnswer(
                url=url,
                usage=Usage(width, height),
                request_id=request_id or "",
                answered_at=(ended_at or 0) / 1000,
            )
            for url, width, height, request_id, ended_at in answers
        ),
        waiting=_in_state(found, PlacementState.WAITING),
        saved=_in_state(found, PlacementState.SAVED),
    )


def _in_state(found: list[Any], wanted: PlacementState) -> tuple[Placement, ...]:
    return tuple(
        Placement(
            path=path,
            suffix=suffix,
            replaced=replaced,
            digest=digest,
            stamp=None if None in stamp else FileStamp(*stamp),
        )
        for state, path, suffix, replaced, digest, *stamp in found
        if state == wanted
    )


def _holding(db: apsw.Connection, key: EditKey, path: str, suffix: str) -> Holding:
    row = db.execute(
        HOLDINGS.format(source="(SELECT 0 AS number, ? AS key, ? AS path)"),
        (key, path),
    ).fetchone()
    if row is None:
        raise AssertionError  # a query from one row by outer joins has one row
    values = list(row)
    values[6] = suffix
    return holding_of(tuple(values))
