"""What it takes to start: against a Python that does nothing.

Processor time is measured, for start-up waits for nothing, and other work does not lengthen it.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from tests.benchmarks.rows import Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROUNDS = 15
MOST_VERSION_MS = 120.0
MOST_HELP_MS = 300.0
PYTHON = ("-c", "pass")


def measure() -> Iterator[Row]:
    """Milliseconds beyond what Python itself takes."""
    with tempfile.TemporaryDirectory() as name:
        empty = Path(name) / "none.csv"
        empty.write_text("image,instruction\n", encoding="utf-8")
        out = str(Path(name) / "out")
        yield _row(("--version",), MOST_VERSION_MS)
        yield _row(("run", "--help"), MOST_HELP_MS)
        yield _row(("--help",), None)
        yield _row(("status", "--help"), None)
        yield _row(("check", str(empty), "-o", out, "--quiet"), None, what="check of nothing")
        sandbox = ("run", str(empty), "-o", out, "--quiet", "--sandbox")
        yield _row(sandbox, None, what="run of nothing, with a sandbox")


def _row(words: tuple[str, ...], most: float | None, *, what: str = "") -> Row:
    beyond = extra_milliseconds(("-m", "qwenbatch", *words))
    return Row(
        "startup",
        f"{what or ' '.join(words)}, beyond python's own",
        f"{beyond:.0f} ms",
        "" if most is None else f"≤ {most:.0f} ms",
        None if most is None else beyond <= most,
    )


def extra_milliseconds(words: Sequence[str]) -> float:
    """The median of paired differences: a machine's drift falls out of it."""
    return median(_milliseconds(words) - _milliseconds(PYTHON) for _ in range(ROUNDS))


def _milliseconds(words: Sequence[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000
