"""`python -m tests.benchmarks [NAME …]`: measure, and print one table.

A benchmark is a module `bench_<name>.py` beside this one with `measure() -> Iterator[Row]`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.benchmarks.rows import Row

HERE = Path(__file__).parent


def names() -> list[str]:
    """The benchmarks there are."""
    return sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))


def measured(wanted: list[str]) -> Iterator[Row]:
    """The rows of the benchmarks wanted, as they are found."""
    for name in wanted:
        yield from import_module(f"tests.benchmarks.bench_{name}").measure()


def main(wanted: list[str]) -> int:
    """Print the table; 3 if a figure falls short of what is wanted."""
    table = Table("subject", "what", "measured", "wanted", "")
    rows = list(measured(wanted or names()))
    for row in rows:
        mark = {None: "", True: "met", False: "NOT MET"}[row.met]
        table.add_row(row.subject, row.what, row.measured, row.wanted, mark)
    Console(width=120).print(table)
    return 3 if any(row.met is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
