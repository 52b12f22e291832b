"""The end of a process that used an object store, while one of the store's threads is in Python."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from qwenbatch.__main__ import ENDING

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """
import asyncio, io, os, signal, sys, threading, time
from obstore.store import MemoryStore
from qwenbatch import __main__ as program
from qwenbatch.cli import app

taken_apart = threading.Event()

class Out(io.StringIO):
    # Python flushes it once more when it has begun to take itself apart.
    def flush(self):
        if sys.is_finalizing():
            taken_apart.set()
            time.sleep(60)
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
    return 5

sys.stdout = Out()
# The store's thread wakes the loop up, and lasts in it until Python is being taken apart.
asyncio.SelectorEventLoop._write_to_self = lambda self: taken_apart.wait(60)
app.command = command
program.main()
"""


@pytest.mark.parametrize(
    ("ending", "status"), [("well", 5), ("defect", 1), ("signal", ENDING[signal.SIGTERM])], ids=str
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
    assert (ended.returncode, ended.stdout) == (status, "all is said"), ended.stderr
    assert ("a defect" in ended.stderr) == (ending == "defect")
