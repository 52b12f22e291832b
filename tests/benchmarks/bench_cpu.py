"""CPU an edit, throughput and memory, against peers that do the same work in turn."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tests.benchmarks.pictures import make_result, make_sources
from tests.benchmarks.processes import cheap_gateway, empty, run_arguments, used_by
from tests.benchmarks.rows import Row, paired_ratio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.benchmarks.processes import Used

EDITS = int(os.environ.get("QWENBATCH_BENCH_EDITS", "600"))
ROUNDS = int(os.environ.get("QWENBATCH_BENCH_ROUNDS", "5"))
SOURCE_BYTES = RESULT_BYTES = 1_500_000
IN_FLIGHT = 16

PEERS = {"bare": "a bare loop", "coroutines": "the asyncio sample", "threads": "the page's sample"}
WANTED = {"bare": 1.8, "coroutines": 0.85, "threads": 0.3}
"""The most CPU an edit, as a part of the peer's."""

OURS = "qwenbatch"
LEAST = "promises"
"""The bare loop with what the promises cost at the very least: what is to be had at all."""


def measure() -> Iterator[Row]:
    """Every promise kept, against those who keep none."""
    with TemporaryDirectory(prefix="bench-cpu-") as folder:
        rounds = _rounds(Path(folder))
    ours = rounds[OURS]
    yield Row(
        "cpu",
        f"CPU an edit, of {EDITS} of 1.5 MB, {IN_FLIGHT} in flight",
        f"{median(used.cpu for used in ours) / EDITS * 1000:.1f} ms",
    )
    for peer, name in PEERS.items():
        ratio = paired_ratio([used.cpu for used in ours], [used.cpu for used in rounds[peer]])
        wanted = WANTED[peer]
        yield Row("cpu", f"CPU, against {name}", f"{ratio:.2f} ×", f"≤ {wanted} ×", ratio <= wanted)
    least = paired_ratio(
        [used.cpu for used in rounds[LEAST]], [used.cpu for used in rounds["bare"]]
    )
    yield Row("cpu", "CPU of a loop that hashes and flushes, against a bare one", f"{least:.2f} ×")
    yield Row("cpu", "edits a second", f"{EDITS / median(used.wall for used in ours):.0f}")
    for peer, name in PEERS.items():
        ratio = paired_ratio([used.wall for used in rounds[peer]], [used.wall for used in ours])
        yield Row("cpu", f"edits a second, against {name}", f"{ratio:.2f} ×")
    peak = max(used.peak for used in ours)
    yield Row("cpu", "peak memory", f"{peak:.0f} MB")
    for peer, name in PEERS.items():
        theirs = min(used.peak for used in rounds[peer])
        yield Row(
            "cpu", f"peak memory, {name}", f"{theirs:.0f} MB", f"> {peak:.0f} MB", peak < theirs
        )


def _rounds(folder: Path) -> dict[str, list[Used]]:
    """What each used in each round, in turn."""
    sources, result = folder / "sources", folder / "result.png"
    make_sources(sources, number=EDITS, size=SOURCE_BYTES)
    make_result(result, size=RESULT_BYTES)
    found: dict[str, list[Used]] = defaultdict(list)
    with cheap_gateway(result) as url:
        for number in range(ROUNDS):
            for name in (OURS, LEAST, *PEERS):
                out = folder / f"{name}-{number}"
                arguments = (
                    run_arguments(url, sources, out, concurrency=IN_FLIGHT)
                    if name == OURS
                    else ["-m", f"tests.benchmarks.peers.{name}", url, str(sources), str(out)]
                )
                found[name].append(used_by(arguments))
                empty(out)
    return found
