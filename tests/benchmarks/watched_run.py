"""The command line with its event loop watched: `watched_run.py LOOP FILE ARGUMENT…`.

`LOOP` is `asyncio` or `uvloop`. Into `FILE` goes the longest step of the loop, in milliseconds,
and what it was; uvloop's steps cannot be timed.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from qwenbatch.cli.app import command

if TYPE_CHECKING:
    from collections.abc import Callable

_run: Callable[[asyncio.Handle], None] = asyncio.Handle._run
_longest = (0.0, "")


def _timed(handle: asyncio.Handle) -> None:
    global _longest  # noqa: PLW0603 - one loop, one process
    words = repr(handle)
    began = time.monotonic()
    _run(handle)
    took = time.monotonic() - began
    if took > _longest[0]:
        _longest = (took, words)


def main() -> int:
    """The run's exit status."""
    loop, file, *arguments = sys.argv[1:]
    if loop == "uvloop":
        import uvloop  # noqa: PLC0415 - only if asked for

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    elif file != "-":
        setattr(asyncio.Handle, "_run", _timed)  # noqa: B010 - a method in another's class
    status = command(arguments)
    if file != "-":
        Path(file).write_text(f"{_longest[0] * 1000:.1f} {_longest[1]}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
