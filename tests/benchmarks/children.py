"""What a child process costs: its own CPU, time and memory, as the kernel counts them."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Spent:
    """What a child spent: seconds, and megabytes at its peak; what it printed, how it ended."""

    cpu: float
    wall: float
    megabytes: float
    printed: str
    status: int


def run_python(arguments: Sequence[str]) -> Spent:
    """Run this interpreter, and wait for its end; what it says on stderr goes nowhere."""
    began = monotonic()
    with subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as child:
        assert child.stdout is not None
        printed = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    return Spent(
        cpu=usage.ru_utime + usage.ru_stime,
        wall=monotonic() - began,
        megabytes=usage.ru_maxrss / 1024,
        printed=printed,
        status=child.returncode,
    )
