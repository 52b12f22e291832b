"""How a command that ran goes on: the exact next command, and errors out of their groups."""

from __future__ import annotations

import shlex
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from qwenbatch.cli.forms import Wants
from qwenbatch.cli.options import OPTIONS
from qwenbatch.core.outcomes import ItemState
from qwenbatch.core.stops import ExitStatus
from qwenbatch.core.store_url import StoreUrl
from qwenbatch.errors import DiskError, LedgerBusyError, QwenbatchError, UsageError
from qwenbatch.observe.plain_text import plain
from qwenbatch.wiring.settings import our_variables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qwenbatch.core.summary import Summary
    from qwenbatch.wiring.settings import RunSettings

T = TypeVar("T")

RESEND = "--resend-uncertain"

_MOST_PATH = 4096


def status_of(error: QwenbatchError) -> ExitStatus:
    """The exit status of a command that an error of ours ends."""
    match error:
        case DiskError():
            return ExitStatus.DISK
        case LedgerBusyError():
            return ExitStatus.BUSY
        case _:
            return ExitStatus.USAGE


def untold_out() -> UsageError:
    """A paid run that nobody watches must be told where its ledger is."""
    return UsageError(
        "where do results go? A paid run that is not on a terminal must be told",
        "name a folder with -o",
    )


def command_again(summary: Summary, *, out: str) -> str | None:
    """The command that goes on: as it was typed, and with what the environment gave; or None.

    It may be pasted without a thought, into another shell too, so it never sends again what may
    have been paid: what is uncertain is settled by the invoice. Nor are secrets in it, such as a
    watchdog's URL: it may be printed into a log. Where the same command would do nothing more, it
    is the one that lists what is left.
    """
    match summary.exit_status:
        case ExitStatus.SAVED:
            return None
        case ExitStatus.UNCERTAIN:
            return shlex.join(["qwenbatch", "settle", out, "--as", "paid|unpaid"])
        case ExitStatus.UNFINISHED if (state := _left_alone(summary)) is not None:
            return shlex.join(["qwenbatch", "export", out, "--state", state])
        case _:
            typed = [word for word in _without_secrets(sys.argv[1:]) if word != RESEND]
            return shlex.join(["qwenbatch", *typed[:1], *_given_by_environment(), *typed[1:]])


def _left_alone(summary: Summary) -> ItemState | None:
    """The state of what the next run would leave alone, if that is all that is left; or None."""
    items = summary.items
    if summary.stopped_by is not None or items.pending or items.invalid:
        return None
    if items.failed:
        return ItemState.FAILED
    return ItemState.LOST if items.lost else None


def _without_secrets(typed: list[str]) -> Iterator[str]:
    """The words without options whose values are secrets, in either way of writing them."""
    secret = {f"--{row.name}" for row in OPTIONS.values() if row.option.secret}
    words = iter(typed)
    for word in words:
        name, equals, _ = word.partition("=")
        if name not in secret:
            yield word
        elif not equals:
            next(words, None)


def _given_by_environment() -> Iterator[str]:
    """The words that tell a run what the environment told this one.

    They stand in front of what was typed, which then wins, as it does over the environment.
    """
    environment = our_variables()
    for row in OPTIONS.values():
        text = environment.get(row.variable)
        if not text or row.option.only_typed or row.option.secret:
            continue
        if row.option.form.wants is Wants.FLAG:
            yield f"--{row.name}" if row.option.form.parse(text) else f"--no-{row.name}"
        else:
            yield f"--{row.name}={text}"


def tell_of_nothing(settings: RunSettings, summary: Summary) -> None:
    """Say on stderr that there was nothing to do, and where nothing was found."""
    if summary.items.total or summary.stopped_by is not None or settings.limit == 0:
        return
    if isinstance(settings.source, StoreUrl) or settings.source.is_dir():
        hint = "holds no pictures: is it the right folder?"
    else:
        hint = "has no rows: is it the right manifest?"
    with suppress(OSError):
        # Nobody reads any more; the exit status stays what it is.
        sys.stderr.write(f"qwenbatch: {plain(str(settings.source), most=_MOST_PATH)} {hint}\n")


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
