"""The end of a process that used an object store, while one of the store's threads is in Python."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from qwenbatch.__main__ import ENDING, UNSAID
from qwenbatch.core.stops import ExitStatus

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """
import asyncio, atexit, io, os, signal, sys, threading, time
from obstore.store import MemoryStore
from qwenbatch import __main__ as program
from qwenbatch.cli import app

taken_apart = threading.Event()

class Out(io.StringIO):
    full = False

    # Python flushes it once more when it has begun to take itself apart.
    def flush(self):
        if sys.is_finalizing():
            taken_apart.set()
            time.sleep(60)
        if self.full:
            raise OSError("no room")
        os.write(1, self.getvalue().encode())
        self.seek(0)
        self.truncate()

async def use_a_store():
    put = asyncio.ensure_future(MemoryStore().put_async("a", b"x"))
    while not put.done():
        await asyncio.sleep(0)

def command(arguments):
    asyncio.run(use_a_store())
    sys.stdout.write("all is said")
    match arguments:
        case ["defect"]:
            raise AssertionError("a defect")
        case ["signal"]:
            signal.raise_signal(signal.SIGTERM)
        case ["unsaid"]:
            sys.stdout.full = True
            return 0
    return 5

sys.stdout = Out()
# The store's thread wakes the loop up, and lasts in it until Python is being taken apart.
asyncio.SelectorEventLoop._write_to_self = lambda self: taken_apart.wait(60)
app.command = command
atexit.register(lambda: sys.stdout.write(", and cleaned up"))
program.main()
"""


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ("well", 5),
        ("defect", ExitStatus.DEFECT),
        ("signal", ENDING[signal.SIGTERM]),
        ("unsaid", UNSAID),
    ],
    ids=str,
)
def test_a_command_that_used_a_store_ends_with_its_status(
    tmp_path: Path, ending: str, status: int
) -> None:
    script = tmp_path / "program.py"
    script.write_text(SCRIPT)
    ended = subprocess.run(
        [sys.executable, script, ending],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = "" if ending == "unsaid" else "all is said, and cleaned up"
    assert (ended.returncode, ended.stdout) == (status, said), ended.stderr
    assert ("a defect" in ended.stderr) == (ending == "defect")
