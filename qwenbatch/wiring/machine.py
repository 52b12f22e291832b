"""What this machine is, looked at for `doctor`: versions, decoders, clock, terminal, limits."""

from __future__ import annotations

import platform
import resource
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import apsw
import PIL

import qwenbatch
from qwenbatch.core.diagnosis import Check
from qwenbatch.imaging.pixels.codecs import undecodable

if TYPE_CHECKING:
    from collections.abc import Iterator

LEAST_PYTHON = (3, 11)
LEAST_SQLITE = (3, 51, 3)
"""The first whose write-ahead log cannot be reset under a reader."""

FILES_PER_SLOT, FILES_BESIDE = 4, 100
"""Open files that a run needs: for each edit in flight, and for everything else."""

_LAST_YEAR = 2099


def machine_checks(*, concurrency: int, now: float, encoding: str) -> Iterator[Check]:
    """All that can be told without a network, a key or an OUT; `now` in seconds of the epoch."""
    yield _python()
    yield sqlite_check(apsw.sqlite_lib_version())
    yield _decoders()
    yield clock_check(now, built=Path(qwenbatch.__file__).stat().st_mtime)
    yield terminal_check(encoding)
    yield files_check(resource.getrlimit(resource.RLIMIT_NOFILE)[0], concurrency)


def _python() -> Check:
    ok = sys.version_info >= LEAST_PYTHON
    return Check(
        name="program",
        says=f"qwenbatch {qwenbatch.__version__}, Python {platform.python_version()}",
        advice="" if ok else "install Python 3.11 or newer",
    )


def sqlite_check(version: str) -> Check:
    """Whether the SQLite within apsw is new enough."""
    ok = tuple(int(part) for part in version.split(".")[:3]) >= LEAST_SQLITE
    least = ".".join(map(str, LEAST_SQLITE))
    return Check(
        name="sqlite",
        says=f"SQLite {version} (apsw)",
        advice="" if ok else f"pip install --upgrade apsw: SQLite {least} or newer is needed",
    )


def _decoders() -> Check:
    missing = undecodable()
    if missing:
        names = ", ".join(format_.name for format_ in missing)
        return Check(
            name="pictures",
            says=f"Pillow {PIL.__version__} cannot decode {names}",
            advice="pip install --force-reinstall pillow: its wheels decode all six formats",
        )
    return Check(name="pictures", says=f"Pillow {PIL.__version__} decodes all six formats")


def clock_check(now: float, *, built: float) -> Check:
    """Whether the clock may be right; both times in seconds of the epoch."""
    moment = datetime.fromtimestamp(now, UTC)
    says = f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    if now < built:
        return Check(
            name="clock",
            says=f"{says}, which is before this program was installed",
            advice="set the clock, for example with timedatectl set-ntp true:"
            " budgets and deadlines go by it",
        )
    if moment.year > _LAST_YEAR:
        return Check(name="clock", says=f"{says}: the year cannot be right", advice="set the clock")
    return Check(name="clock", says=says)


def terminal_check(encoding: str) -> Check:
    """Whether every name can be shown as it is."""
    ok = encoding.lower().replace("-", "").replace("_", "") == "utf8"
    return Check(
        name="terminal",
        says=f"writes {encoding}",
        advice="" if ok else "set LC_ALL=C.UTF-8: names with other letters are shown escaped",
    )


def files_check(limit: int, concurrency: int) -> Check:
    """Whether enough files may be open at once; -1 is no limit."""
    needed = concurrency * FILES_PER_SLOT + FILES_BESIDE
    if limit == resource.RLIM_INFINITY:
        return Check(name="open files", says="no limit")
    return Check(
        name="open files",
        says=f"{limit:,} may be open; {needed:,} are needed with --concurrency {concurrency}",
        advice="" if limit >= needed else f"ulimit -n {needed}, or a lower --concurrency",
    )
