"""A worker's own memory: what it kept is handed in by whoever comes up on its machine next."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING
from uuid import UUID

import anyio

from qwenbatch.core.attempts import AttemptEnd, AttemptId
from qwenbatch.core.money import MicroUSD
from qwenbatch.core.states import EditEvent
from qwenbatch.ledger.spool import RECORD_BYTES, SpooledEnd, SpooledRelease
from qwenbatch.wiring.fleet_spools import WorkerSpools
from tests.fleet.office import edits

if TYPE_CHECKING:
    from pathlib import Path

KEY = edits(1)[0].key
PRICE = MicroUSD(55_000)


def _spools(folder: Path, *, records: int = 8) -> WorkerSpools:
    return WorkerSpools(folder, records=records, price=PRICE, wall=lambda: 2.0)


def _ended(number: int, raw: bytes = b"") -> AttemptEnd:
    attempt = AttemptId(UUID(int=number))
    return AttemptEnd(key=KEY, attempt=attempt, event=EditEvent.ANSWERED, url="u", raw=raw)


def test_what_a_dead_worker_kept_is_handed_in_by_the_next_and_then_forgotten(
    tmp_path: Path,
) -> None:
    with closing(_spools(tmp_path)) as dead:
        dead.begin()
        anyio.run(dead.keep, _ended(1))
        anyio.run(dead.keep_release, KEY, AttemptId(UUID(int=2)))
    with closing(_spools(tmp_path)) as following:
        assert following.reports() == [
            SpooledEnd(_ended(1), 2000, PRICE),
            SpooledRelease(KEY, AttemptId(UUID(int=2))),
        ]
        following.begin()
    assert list(tmp_path.glob("*.spool")) == [], "allocated room is given back"
    with closing(_spools(tmp_path)) as third:
        assert third.reports() == []


def test_spool_of_a_worker_that_lives_is_left_alone(tmp_path: Path) -> None:
    with closing(_spools(tmp_path)) as living:
        living.begin()
        anyio.run(living.keep, _ended(1))
        with closing(_spools(tmp_path)) as other:
            assert other.reports() == []
            other.begin()
            anyio.run(other.keep, _ended(2))
    with closing(_spools(tmp_path)) as following:
        assert following.reports() == [SpooledEnd(_ended(n), 2000, PRICE) for n in (1, 2)]


def test_spool_is_used_anew_once_the_ledger_has_what_is_in_it(tmp_path: Path) -> None:
    raw = bytes(RECORD_BYTES // 4)

    async def much(spools: WorkerSpools) -> None:
        for number in range(100):
            await spools.keep(_ended(number, raw))
            await spools.handed_in()
        await spools.keep(_ended(100))

    with closing(_spools(tmp_path, records=2)) as spools:
        spools.begin()
        anyio.run(much, spools)
    with closing(_spools(tmp_path)) as following:
        assert following.reports()[-1] == SpooledEnd(_ended(100), 2000, PRICE)
        assert sum(file.stat().st_size for file in tmp_path.glob("*.spool")) == 2 * RECORD_BYTES


def test_spools_of_dead_workers_are_found_behind_a_gap_in_their_numbers(tmp_path: Path) -> None:
    workers = [_spools(tmp_path) for _ in range(3)]
    for number, worker in enumerate(workers, 1):
        worker.begin()
        anyio.run(worker.keep, _ended(number))
    for worker in workers[1:]:
        worker.close()
    with closing(_spools(tmp_path)) as second:
        second.begin()
        with closing(_spools(tmp_path)) as third:
            third.begin()
            anyio.run(third.keep, _ended(4))
    # Two folders' worth of comings and goings: only the third's number is still in use.
    workers[0].close()
    for number in (0, 1):
        (tmp_path / f"{number}.spool").unlink(missing_ok=True)
    with closing(_spools(tmp_path)) as last:
        assert last.reports() == [SpooledEnd(_ended(4), 2000, PRICE)]


def test_worker_that_is_cut_off_keeps_the_ends_of_all_that_is_in_flight(tmp_path: Path) -> None:
    raw = bytes(RECORD_BYTES // 4)

    async def cut_off(spools: WorkerSpools) -> None:
        for number in range(5):
            await spools.keep(_ended(number, raw))
            await spools.handed_in()
        with anyio.fail_after(10):
            for number in range(5, 8):
                await spools.keep(_ended(number, raw))

    with closing(_spools(tmp_path, records=3)) as spools:
        spools.begin()
        anyio.run(cut_off, spools)
    with closing(_spools(tmp_path)) as following:
        assert following.reports()[-3:] == [
            SpooledEnd(_ended(number, raw), 2000, PRICE) for number in range(5, 8)
        ]
