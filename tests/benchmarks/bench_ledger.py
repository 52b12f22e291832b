"""Durable state changes a second with 1, 16 and 256 writers at once."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING
from uuid import uuid4

from qwenbatch.core.attempts import AttemptEnd, AttemptId, PermitRequest
from qwenbatch.core.budget import Caps
from qwenbatch.core.money import MicroUSD
from qwenbatch.core.states import EditEvent, EditState
from qwenbatch.ledger import database, edits
from qwenbatch.ledger.writer import Writer
from tests.benchmarks.rows import Row, paired_ratio
from tests.benchmarks.settled import SENT_AT, shop_item
from tests.benchmarks.slow_disk import SlowDisk

if TYPE_CHECKING:
    from collections.abc import Iterator

WRITERS = (1, 16, 256)
ROUNDS = 5
SECONDS = 1.0
"""How long one measurement lasts."""
SLOW_FLUSH = 0.002
"""Seconds."""
LEAST_GAIN = 8.0
"""Of 16 writers over one, where a flush takes so long."""


def measure() -> Iterator[Row]:
    """On a disk whose flush takes 2 ms or more, then on this machine's own."""
    with SlowDisk(SLOW_FLUSH):
        slow = _rounds()
    yield from _rates(slow, "each flush 2 ms slower")
    gain = paired_ratio(slow[16], slow[1])
    yield Row(
        "ledger",
        "16 writers against one, each flush 2 ms slower",
        f"{gain:.1f} ×",
        f"≥ {LEAST_GAIN:.0f} ×",
        met=gain >= LEAST_GAIN,
    )
    own = _rounds()
    yield from _rates(own, "this machine's disk")
    gain = paired_ratio(own[16], own[1])
    yield Row("ledger", "16 writers against one, this machine's disk", f"{gain:.1f} ×")


def _rounds() -> dict[int, list[float]]:
    """Moves a second by writers, round by round."""
    found: dict[int, list[float]] = {writers: [] for writers in WRITERS}
    for _ in range(ROUNDS):
        for writers, rates in found.items():
            rates.append(asyncio.run(_rate(writers)))
    return found


def _rates(found: dict[int, list[float]], where: str) -> Iterator[Row]:
    for writers, rates in found.items():
        yield Row(
            "ledger",
            f"durable moves a second, {writers} at once, {where}",
            f"{median(rates):,.0f}",
        )


async def _rate(writers: int) -> float:
    """Durable moves a second while so many edits are sent and end at the same time."""
    with TemporaryDirectory(prefix="bench-ledger-") as folder:
        path = Path(folder) / "ledger.db"
        with closing(Writer(database.create_or_open(path, service="sandbox"))) as writer:
            began = perf_counter()
            ends = began + SECONDS
            moves = await asyncio.gather(
                *(_live(writer, number, writers, ends) for number in range(1, writers + 1)),
            )
            return sum(moves) / (perf_counter() - began)


async def _live(writer: Writer, first: int, step: int, ends: float) -> int:
    """Send one edit after the other until time is up; how many moves that were."""
    moves, number = 0, first
    while perf_counter() < ends:
        item, attempt = shop_item(number), AttemptId(uuid4())
        request = PermitRequest(
            key=item.keyed.key,
            attempt=attempt,
            price=MicroUSD(55_000),
            paths=(item.path,),
            expected=EditState.PENDING,
        )
        await writer(
            lambda db, request=request: edits.permit(  # type: ignore[misc] # bound on purpose
                db, request, run=1, caps=Caps(), now=SENT_AT
            ),
        )
        ended = AttemptEnd(
            key=item.keyed.key,
            attempt=attempt,
            event=EditEvent.ANSWERED,
            kind=None,
            status=200,
            message="",
            request_id=str(attempt),
            url=f"https://pub-0a1b2c3d4e5f60718293a4b5c6d7e8f9.r2.dev/qwen-image-edit/{attempt}.png",
            width=1184,
            height=896,
            raw=b"{}",
        )
        await writer(lambda db, ended=ended: edits.end(db, ended, now=SENT_AT))  # type: ignore[misc] # bound
        moves += 2
        number += step
    return moves
