"""The longest step of the event loop, and whether another event loop would be worth it."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tests.benchmarks.pictures import make_result, make_sources
from tests.benchmarks.processes import cheap_gateway, empty, run_arguments, used_by
from tests.benchmarks.rows import Row, paired_ratio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.benchmarks.processes import Used

IN_FLIGHT = 64
LARGE_BYTES = 7_000_000
SECONDS = 1.0
MOST_MS = 50.0
TRIES = 3
"""Whatever else the machine does lengthens a step too: the best of so many runs counts."""

EDITS = 300
BYTES = 1_500_000
ROUNDS = 3


def measure() -> Iterator[Row]:
    """Steps in milliseconds; uvloop's CPU against asyncio's."""
    with TemporaryDirectory(prefix="bench-loop-") as folder:
        yield _longest_step(Path(folder))
        if find_spec("uvloop"):
            yield _uvloop(Path(folder))


def _longest_step(folder: Path) -> Row:
    sources, result, told = folder / "large", folder / "large.png", folder / "longest"
    make_sources(sources, number=IN_FLIGHT, size=LARGE_BYTES)
    make_result(result, size=LARGE_BYTES)
    found = []
    with cheap_gateway(result, seconds=SECONDS) as url:
        for number in range(TRIES):
            out = folder / f"large-{number}"
            arguments = run_arguments(url, sources, out, concurrency=IN_FLIGHT)
            used_by(_watched("asyncio", str(told), arguments))
            found.append(float(told.read_text().split()[0]))
            empty(out)
    shutil.rmtree(sources)
    longest = min(found)
    return Row(
        "loop",
        f"longest step, {IN_FLIGHT} in flight of 7 MB",
        f"{longest:.0f} ms",
        f"≤ {MOST_MS:.0f} ms",
        longest <= MOST_MS,
    )


def _uvloop(folder: Path) -> Row:
    sources, result = folder / "sources", folder / "result.png"
    make_sources(sources, number=EDITS, size=BYTES)
    make_result(result, size=BYTES)
    used: dict[str, list[Used]] = {"asyncio": [], "uvloop": []}
    with cheap_gateway(result) as url:
        for number in range(ROUNDS):
            for loop, found in used.items():
                out = folder / f"{loop}-{number}"
                arguments = run_arguments(url, sources, out, concurrency=16)
                found.append(used_by(_watched(loop, "-", arguments)))
                empty(out)
    ratio = paired_ratio(
        [one.cpu for one in used["uvloop"]],
        [one.cpu for one in used["asyncio"]],
    )
    return Row("loop", "CPU with uvloop, against asyncio", f"{ratio:.2f} ×")


def _watched(loop: str, file: str, arguments: list[str]) -> list[str]:
    """The same command, led by `watched_run`."""
    return ["-m", "tests.benchmarks.watched_run", loop, file, *arguments[2:]]
