"""What a fleet's keeper costs: lease, permit and report of edits that take no time."""

from __future__ import annotations

from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import ray

from qwenbatch.fleet import cluster
from tests.benchmarks.fleet_actors import BenchKeeper, BenchWorker
from tests.benchmarks.rows import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKERS = 2
EDITS = 2000
ROUNDS = 5
MOST_CPU_MS = 1.0
LEAST_EDITS = 500.0
SECONDS = 120.0


def measure() -> Iterator[Row]:
    """Through two workers on this machine, every permit and report on its disk."""
    with TemporaryDirectory(prefix="bench-fleet-") as folder, cluster.joined(None):
        node = cluster.head_node()
        keeper = cluster.start(BenchKeeper, "keeper", node)
        workers = [
            cluster.start(BenchWorker, f"worker{number}", node, keeper, f"worker{number}", folder)
            for number in range(WORKERS)
        ]
        ray.get([worker.there.remote() for worker in workers], timeout=SECONDS)
        rounds = [
            ray.get(keeper.lead.remote(number * EDITS, EDITS, WORKERS), timeout=SECONDS)
            for number in range(ROUNDS + 1)
        ][1:]
    rate = median(EDITS / seconds for seconds, _ in rounds)
    cpu = median(1000 * busy / EDITS for _, busy in rounds)
    yield Row(
        "fleet",
        f"edits that take no time, a second, through {WORKERS} workers",
        f"{rate:,.0f}",
        f"≥ {LEAST_EDITS:.0f}",
        met=rate >= LEAST_EDITS,
    )
    yield Row(
        "fleet",
        "the keeper's CPU for lease, permit and report",
        f"{cpu:.2f} ms an edit",
        f"≤ {MOST_CPU_MS:.0f} ms",
        met=cpu <= MOST_CPU_MS,
    )
