"""The command `qwenbatch`, and what it returns to the shell."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

ENDING = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 143}
"""The exit status of a command that a signal ends before it, or without its, heeding signals."""


def main() -> None:
    """Run the command line and exit with its status; every error of ours is one or two lines."""
    leaving = _Leaving()
    atexit.register(leaving)  # the first to be registered is the last to be called
    for number in ENDING:
        # What whoever started us has us ignore, as nohup does, stays ignored.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)
    # A question to a run, which may come before, or after, there is one to answer it.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    if sys.argv[1:] in (["--version"], ["-V"]):
        from qwenbatch import __version__  # noqa: PLC0415 - nothing else is needed for this

        sys.stdout.write(f"qwenbatch {__version__}\n")
        return
    from qwenbatch.cli.app import command  # noqa: PLC0415 - as late as may be

    try:
        leaving.status = command(sys.argv[1:])
    except SystemExit as end:
        leaving.status = int(end.code or 0)
    finally:
        # The status is known: what comes now must not turn it into a traceback.
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)
        # Python looks for cycles among all that was ever loaded before it ends: to no use.
        gc.freeze()
    sys.exit(leaving.status)


class _Leaving:
    """The very end of a process that used an object store: Python is not taken apart beneath it.

    obstore's threads call into Python, and one that comes, or is still there, while Python ends
    aborts the process instead (before Python 3.14), however well the command went.
    """

    def __init__(self) -> None:
        self.status = 1
        """The exit status; until it is known, that of a defect."""

    def __call__(self) -> None:
        """Leave at once, all that is cleaned up at an exit being clean."""
        if "obstore" in sys.modules:
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
            os._exit(self.status)


def _end(number: int, _: FrameType | None) -> None:
    """Leave with the signal's status, by way of every cleaning-up, and without a traceback."""
    status = ENDING[signal.Signals(number)]
    if "asyncio" in sys.modules:
        import asyncio  # noqa: PLC0415 - it is there already, or no loop can be running

        try:
            # Out of the loop itself: a task that it was raised in would be told of as a defect.
            asyncio.get_running_loop().call_soon_threadsafe(sys.exit, status)
        except (RuntimeError, AttributeError):
            pass  # no loop is running; or asyncio is only being loaded
        else:
            return
    sys.exit(status)


if __name__ == "__main__":
    main()
