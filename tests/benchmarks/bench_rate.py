"""How near a run comes to a gateway's rate: told it, and finding it out."""

from __future__ import annotations

from pathlib import Path
from statistics import mean, pstdev
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tests.benchmarks.limited import limited
from tests.benchmarks.rows import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.benchmarks.limited import Seen

RATE = 20
EDITS = 600
LATENCY = (0.3, 0.6)


def measure() -> Iterator[Row]:
    """Three runs of 600 edits at a gateway that takes 20 a second and sends no Retry-After."""
    with TemporaryDirectory() as folder:
        place = Path(folder)
        with limited(place / "told", latency=LATENCY, rate=RATE) as site:
            told = site.run(EDITS, "--rate", str(RATE), "-c", "64")
            yield from _rows("told the rate", told, share=0.96, throttled=0.02)
            spread = pstdev(told.intervals) / mean(told.intervals)
            yield Row("rate", "told the rate: spread of the intervals", f"{spread:.2f} of the mean")
        with limited(place / "untold", latency=LATENCY, rate=RATE) as site:
            options = ("--rate", str(10 * RATE), "-c", "64")
            first = site.run(EDITS, *options, stem="first")
            yield from _rows("told ten times the rate", first, share=0.65, throttled=0.15)
            second = site.run(EDITS, *options, stem="second")
            yield from _rows("the run after that", second, share=0.80, throttled=0.05)


def _rows(what: str, seen: Seen, *, share: float, throttled: float) -> Iterator[Row]:
    got = seen.rate / RATE
    yield Row("rate", f"{what}: of the rate", f"{got:.1%}", f"≥ {share:.0%}", got >= share)
    yield Row(
        "rate",
        f"{what}: throttled",
        f"{seen.throttled_share:.1%}",
        f"≤ {throttled:.0%}",
        seen.throttled_share <= throttled,
    )
