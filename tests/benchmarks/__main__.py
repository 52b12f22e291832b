"""`python -m tests.benchmarks [--readme] [NAME …]`: measure, and print one table.

A benchmark is a module `bench_<name>.py` beside this one with `measure() -> Iterator[Row]`.
`--readme` puts the table into the README, between its two marks.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from tests.benchmarks.readme import write_table
from tests.benchmarks.rows import Row, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HERE = Path(__file__).parent
README = HERE.parents[1] / "README.md"


def names() -> list[str]:
    """The benchmarks there are."""
    return sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))


def measured(wanted: Sequence[str], console: Console) -> Iterator[Row]:
    """The rows of the benchmarks wanted, as they are found.

    Each runs in a small process of its own: a child's peak memory counts its parent's at the start.
    One that fails takes no other's figures with it.
    """
    for name in wanted:
        console.log(f"measuring {name} …")
        try:
            with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as process:
                rows = process.submit(rows_of, name).result()
        except Exception as error:  # noqa: BLE001 - the others' figures took minutes
            console.log(f"{name} failed: {error}")
            rows = [Row(name, "all of it", "failed", "figures", met=False)]
        yield from rows


def main(arguments: Sequence[str]) -> int:
    """Print the table; 3 if a figure falls short of what is wanted."""
    wanted = [word for word in arguments if word != "--readme"]
    rows = list(measured(wanted or names(), Console(stderr=True)))
    table = Table("subject", "what", "measured", "wanted", "")
    for row in rows:
        mark = {None: "", True: "met", False: "NOT MET"}[row.met]
        table.add_row(row.subject, row.what, row.measured, row.wanted, mark)
    Console(width=120).print(table)
    if "--readme" in arguments:
        write_table(rows, README)
    return 3 if any(row.met is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
