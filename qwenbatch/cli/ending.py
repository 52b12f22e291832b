"""How a command that ran goes on: the exact next command, and errors out of their groups."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, TypeVar

from qwenbatch.core.stops import ExitStatus
from qwenbatch.errors import QwenbatchError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from qwenbatch.core.summary import Summary

T = TypeVar("T")


def untold_out() -> UsageError:
    """A paid run that nobody watches must be told where its ledger is."""
    return UsageError(
        "where do results go? A paid run that is not on a terminal must be told",
        "name a folder with -o",
    )


def command_again(summary: Summary) -> str | None:
    """The command that goes on, as it was typed; None if all is done."""
    if summary.exit_status is ExitStatus.SAVED:
        return None
    words = ["qwenbatch", *sys.argv[1:]]
    if summary.exit_status is ExitStatus.UNCERTAIN and "--resend-uncertain" not in words:
        words.append("--resend-uncertain")
    return shlex.join(words)


def sole(action: Callable[[], T]) -> T:
    """Do it; an error of ours that comes wrapped in groups of tasks comes out alone."""
    try:
        return action()
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        if isinstance(error, QwenbatchError):
            raise error from None
        raise
