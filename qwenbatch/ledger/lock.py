"""One run for one ledger: a lock that the kernel frees when its holder dies."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from qwenbatch.core.standing import Holder
from qwenbatch.errors import DiskError, LedgerBusyError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file at `path`; LedgerBusyError names the holder if another run has it.

    `flock` belongs to the open file: a forked child would inherit it and keep it past our death.
    So nothing that runs under it forks.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DiskError(
            f"the lock file {path} cannot be made: {error.strerror}",
            "choose a folder that you may write, with -o",
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _busy(descriptor, path) from None
        except OSError as error:
            raise DiskError(
                f"the ledger cannot be locked with {path}: {error.strerror}",
                "keep the ledger on a local disk: name one with --ledger",
            ) from error
        with suppress(OSError):
            # Who holds it is a courtesy; a full disk is told by the ledger itself.
            _sign(descriptor)
        yield
    finally:
        os.close(descriptor)


def holder(path: Path) -> Holder | None:
    """Who holds the lock at this moment; asked by sharing it, and let go at once.

    Its holder lives: the kernel frees the lock of a process that died. Raises DiskError if the
    lock file cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DiskError(f"the lock file {path} cannot be read: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _signed(descriptor)
    finally:
        os.close(descriptor)
    return None


def _sign(descriptor: int) -> None:
    signed = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(signed).encode(), 0)


def _signed(descriptor: int) -> Holder:
    """Who signed the lock file; unknown where that cannot be read, or is not yet written."""
    try:
        signed = json.loads(os.pread(descriptor, 4096, 0))
        return Holder(int(signed["pid"]), str(signed["host"]), str(signed["since"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return Holder()


def _busy(descriptor: int, path: Path) -> LedgerBusyError:
    return LedgerBusyError(
        f"another run holds this ledger: {_signed(descriptor)} ({path})",
        "wait for it, or stop it: one ledger is written by one run at a time",
    )
