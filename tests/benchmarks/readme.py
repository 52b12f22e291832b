"""The benchmarks' table as it stands in the README, with the machine that it was measured on."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.benchmarks.rows import Row

BEGIN, END = "<!-- benchmarks -->\n", "<!-- /benchmarks -->\n"


def write_table(rows: Sequence[Row], readme: Path) -> None:
    """Put the rows between the README's two marks, in place of what stood there.

    Raises ValueError if it has not both marks.
    """
    text = readme.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{readme} has no {BEGIN.strip()} … {END.strip()}")
    table = "".join(f"| {_cells(row)} |\n" for row in rows)
    readme.write_text(
        f"{before}{BEGIN}Measured on {machine()}:\n\n| what | measured | wanted |\n"
        f"| --- | --- | --- |\n{table}{END}{after}",
        encoding="utf-8",
    )


def machine() -> str:
    """Cores, the maker's line of CPUs, and Python, in words."""
    python = f"Python {platform.python_version()}"
    return f"{os.cpu_count()} cores ({_model()}), {platform.system()}, {python}"


def _cells(row: Row) -> str:
    mark = " (missed)" if row.met is False else ""
    return f"{row.subject}: {row.what} | {row.measured}{mark} | {row.wanted}"


def _model() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123 - one line of it
            for line in file:
                if line.startswith("model name"):
                    return " ".join(line.partition(":")[2].split()[:3])
    except OSError:
        pass
    return platform.machine()
