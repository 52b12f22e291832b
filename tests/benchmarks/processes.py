"""Processes under measurement, and the gateway that they all talk to."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[2]
"""The checkout: what is measured is what lies here."""


@dataclass(frozen=True, slots=True)
class Used:
    """What a process used from its start to its end."""

    cpu: float
    """Seconds, in its own code and in the kernel's for it."""
    wall: float
    """Seconds."""
    peak: float
    """The most memory that it had at once, in MB (10^6 bytes)."""


def used_by(arguments: Sequence[str]) -> Used:
    """Run Python with these arguments to its end; CalledProcessError if that is a bad one."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, env=_environment(), stdin=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return Used(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * 1024 / 1e6)


@contextmanager
def cheap_gateway(result: Path, *, seconds: float = 0.0) -> Iterator[str]:
    """The URL of a gateway in a process of its own; an answer takes so many seconds."""
    arguments = [sys.executable, "-m", "tests.benchmarks.cheap_gateway", str(result), str(seconds)]
    with subprocess.Popen(
        arguments, cwd=ROOT, env=_environment(), stdout=subprocess.PIPE
    ) as server:
        try:
            if server.stdout is None:
                raise AssertionError  # it was asked for
            yield f"http://127.0.0.1:{int(server.stdout.readline())}/edit"
        finally:
            server.kill()


def run_arguments(
    url: str, sources: Path, out: Path, *, concurrency: int, more: Sequence[str] = ()
) -> list[str]:
    """The arguments to Python of a run over a folder, as fast as the gateway allows."""
    return [
        *("-m", "qwenbatch", "run", str(sources), "-o", str(out), "--gateway", url),
        *("--instruction", "make the background white", "--rate", "1000"),
        *("--concurrency", str(concurrency), "--quiet", *more),
    ]


def _environment() -> dict[str, str]:
    """Ours; modules are compiled once, as those of an installed package are."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**own, "PYTHONPATH": str(ROOT), "QWENBATCH_API_KEY": "bench"}


def empty(folder: Path) -> None:
    """Give the disk its room back, and leave the files.

    A file system such as ext4 looks at every file that was removed within the last minutes before
    it makes a new one: the next to be measured would pay for that.
    """
    for file in folder.rglob("*"):
        if file.is_file():
            os.truncate(file, 0)
