"""What a benchmark finds: rows of one table."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Row:
    """One finding. `met` is None for a figure that is reported only, not held against anything."""

    subject: str
    """The benchmark's name, such as `cpu` or `scale`."""
    what: str
    """What was measured, with its peer: `CPU an edit, against a bare loop`."""
    measured: str
    """With its unit: `1.62 ×`, `38 µs a row`, `93 MB`."""
    wanted: str = ""
    met: bool | None = None


def paired_ratio(ours: Sequence[float], peer: Sequence[float]) -> float:
    """The median of ours against the peer's, pair by pair: a machine's drift falls out of it.

    The sequences hold one figure a round, in the order of the rounds; neither may be empty.
    """
    return median(our / other for our, other in zip(ours, peer, strict=True))


def rows_of(name: str) -> list[Row]:
    """All that the benchmark of this name finds."""
    return list(import_module(f"tests.benchmarks.bench_{name}").measure())
