"""A run that a watchdog is told of, if one was named, however the run ends."""

from __future__ import annotations

import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import msgspec

from qwenbatch.cli.ending import status_of
from qwenbatch.core.stops import ExitStatus
from qwenbatch.errors import QwenbatchError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qwenbatch.core.summary import Summary
    from qwenbatch.wiring.watchdog import Watchdog


class Watched(msgspec.Struct):
    """What the watchdog is to be told in the end."""

    summary: Summary | None = None


@contextmanager
def watched(url: str | None) -> Iterator[Watched]:
    """Tell the watchdog of the start now, and of the end when this is left, in whatever way.

    A run without a summary is told of by its exit status and the error's words. What fails of it is
    said on stderr, and changes nothing.
    """
    told = Watched()
    if url is None:
        yield told
        return
    from qwenbatch.wiring.watchdog import watchdog_at  # noqa: PLC0415 - few runs have one

    with watchdog_at(url) as watchdog:
        try:
            yield told
        except BaseException as error:
            _tell(watchdog, told.summary, error)
            raise
        _tell(watchdog, told.summary, None)


def _tell(watchdog: Watchdog, summary: Summary | None, error: BaseException | None) -> None:
    if summary is not None:
        failure = watchdog.tell_end(int(summary.exit_status), summary.to_json())
    else:
        failure = watchdog.tell_end(*_without_summary(error))
    if failure is not None:
        with suppress(OSError):
            # Nobody reads any more; the exit status still says how it ended.
            sys.stderr.write(f"qwenbatch: {failure}; the run is what it is without it\n")


def _without_summary(error: BaseException | None) -> tuple[int, str]:
    """The exit status of a run that an error ended before it had a summary, and why."""
    match error:
        case QwenbatchError():
            return int(status_of(error)), str(error)
        case SystemExit(code=int(code)):
            return code, "it was ended by a signal"
        case _:
            return int(ExitStatus.DEFECT), f"a defect of the program: {type(error).__name__}"
