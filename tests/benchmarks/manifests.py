"""Manifests of many rows over few sources, and the bare loop that they are held against."""

from __future__ import annotations

import csv
from statistics import median
from typing import TYPE_CHECKING

from PIL import Image

from tests.benchmarks.children import run_python

if TYPE_CHECKING:
    from pathlib import Path

SOURCES = 100
INSTRUCTION = "Put it on a plain white background, variant {}"

_ROUNDS = 3

_BARE_LOOP = """
import csv, hashlib, sys, time
began, count = time.process_time(), 0
with open(sys.argv[1], newline="") as file:
    for row in csv.DictReader(file):
        hashlib.sha256(repr(row).encode()).digest()
        count += 1
print((time.process_time() - began) / count)
"""


def image_of(number: int) -> str:
    """The source of a row, relative to the manifest."""
    return f"images/{number % SOURCES:03}.png"


def output_of(number: int) -> str:
    """The output of a row."""
    return f"shoes/{number // 1000:04}/{number:07}.png"


def write_manifest(folder: Path, rows: int, *, outputs: bool) -> Path:
    """A CSV file of so many rows, each another edit; without outputs all default names clash."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for number in range(SOURCES):
        Image.new("RGB", (512, 512), (number, number, number)).save(folder / image_of(number))
    path = folder / f"{rows}-{'named' if outputs else 'bare'}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "instruction", *(["output"] if outputs else [])])
        writer.writerows(
            [
                image_of(number),
                INSTRUCTION.format(number),
                *([output_of(number)] if outputs else []),
            ]
            for number in range(1, rows + 1)
        )
    return path


def bare_loop(manifest: Path) -> float:
    """Microseconds of CPU a row that python needs to read a manifest and hash each row, no more.

    The median of a few rounds.
    """
    arguments = ["-c", _BARE_LOOP, str(manifest)]
    return median(float(run_python(arguments).printed) * 1e6 for _ in range(_ROUNDS))
