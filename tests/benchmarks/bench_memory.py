"""Peak memory: many large pictures in flight at once, and many items one after the other."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tests.benchmarks.pictures import make_result, make_sources
from tests.benchmarks.processes import cheap_gateway, run_arguments, used_by
from tests.benchmarks.rows import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

IN_FLIGHT = 64
LARGE_BYTES = 7_000_000
RESULT_BYTES = 1_500_000
SECONDS = 2.0
"""How long the gateway takes for an edit, so that all of them are in flight together."""

MOST_MB = 150.0

FEW, MANY = 300, 3000
SMALL_BYTES = 20_000
MOST_GROWTH = 1.1


def measure() -> Iterator[Row]:
    """Memory is bounded by what is in flight, whatever the number of items."""
    with TemporaryDirectory(prefix="bench-memory-") as folder:
        yield _large(Path(folder))
        yield _many(Path(folder))


def _large(folder: Path) -> Row:
    sources, result = folder / "large", folder / "result.png"
    make_sources(sources, number=IN_FLIGHT, size=LARGE_BYTES)
    make_result(result, size=RESULT_BYTES)
    with cheap_gateway(result, seconds=SECONDS) as url:
        arguments = run_arguments(url, sources, folder / "out-large", concurrency=IN_FLIGHT)
        peak = used_by(arguments).peak
    shutil.rmtree(sources)
    return Row(
        "memory",
        f"peak, {IN_FLIGHT} in flight of 7 MB",
        f"{peak:.0f} MB",
        f"≤ {MOST_MB:.0f} MB",
        peak <= MOST_MB,
    )


def _many(folder: Path) -> Row:
    sources, result = folder / "small", folder / "small.png"
    make_sources(sources, number=MANY, size=SMALL_BYTES)
    make_result(result, size=SMALL_BYTES)
    peaks = []
    with cheap_gateway(result) as url:
        for number in (FEW, MANY):
            arguments = run_arguments(
                url,
                sources,
                folder / f"out-{number}",
                concurrency=16,
                more=("--limit", str(number)),
            )
            peaks.append(used_by(arguments).peak)
    growth = peaks[1] / peaks[0]
    return Row(
        "memory",
        f"peak of {MANY:,} items, against {FEW}",
        f"{growth:.2f} × ({peaks[1]:.0f} MB)",
        f"≤ {MOST_GROWTH} ×",
        growth <= MOST_GROWTH,
    )
