"""Slow edits in many slots: how much of the ideal speed is left, start-up and ramp included."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tests.benchmarks.limited import limited
from tests.benchmarks.rows import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

SLOTS = 64
EDITS = 640
SECONDS = 2.0


def measure() -> Iterator[Row]:
    """640 edits of 2 s in 64 slots: 20 s would be ideal."""
    with (
        TemporaryDirectory() as folder,
        limited(Path(folder) / "site", latency=(SECONDS, SECONDS)) as site,
    ):
        seen = site.run(EDITS, "--rate", "1000", "-c", str(SLOTS))
    share = EDITS / SLOTS * SECONDS / seen.seconds
    yield Row(
        "latency", "64 slots, edits of 2 s: of the ideal", f"{share:.1%}", "≥ 93%", share >= 0.93
    )
