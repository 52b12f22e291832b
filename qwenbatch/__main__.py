"""The command `qwenbatch`, and what it returns to the shell."""

from __future__ import annotations

import gc
import os
import signal
import sys
from typing import TYPE_CHECKING, Never

if TYPE_CHECKING:
    from types import FrameType

ENDING = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 143}
"""The exit status of a command that a signal ends before it, or without its, heeding signals."""

UNSAID = 120
"""That of a command whose last words reached nobody, by Python's own custom."""


def main() -> None:
    """Run the command line and exit with its status; every error of ours is one or two lines."""
    _prepare()
    if sys.argv[1:] in (["--version"], ["-V"]):
        from qwenbatch import __version__  # noqa: PLC0415 - nothing else is needed for this

        sys.stdout.write(f"qwenbatch {__version__}\n")
        return
    from qwenbatch.cli.app import command  # noqa: PLC0415 - as late as may be
    from qwenbatch.core.stops import ExitStatus  # noqa: PLC0415 - likewise

    status: int = ExitStatus.DEFECT
    try:
        status = command(sys.argv[1:])
    except SystemExit as end:
        if not isinstance(end.code, int):
            raise
        status = end.code
    except Exception:  # noqa: BLE001 - shown as Python shows it, and no more is done
        sys.excepthook(*sys.exc_info())
    finally:
        # The status is known: what comes now must not turn it into a traceback.
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)
        # Python looks for cycles among all that was ever loaded before it ends: to no use.
        gc.freeze()
    if "obstore" in sys.modules:
        _leave(status)
    sys.exit(status)


def _prepare() -> None:
    """Heed signals, and have streams, from the first moment on."""
    for number in ENDING:
        # What whoever started us has us ignore, as nohup does, stays ignored.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)
    # A question to a run, which may come before, or after, there is one to answer it.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # whoever started us closed it: nobody wants to read it
            nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - for good
            setattr(sys, name, nowhere)


def _leave(status: int) -> Never:
    """End the process as multiprocessing ends its own: cleaned up, but not taken apart.

    obstore's threads call into Python, and one that comes, or is still there, while Python is
    taken apart aborts the process instead (before Python 3.14), however well the command went.
    """
    import atexit  # noqa: PLC0415 - for this alone
    import threading  # noqa: PLC0415 - it is there already

    threading._shutdown()  # type: ignore[attr-defined] # noqa: SLF001 - as multiprocessing does
    atexit._run_exitfuncs()  # noqa: SLF001 - likewise
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            status = status or UNSAID
    os._exit(status)


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
