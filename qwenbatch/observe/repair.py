"""What a repair saved, and what it could not, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from qwenbatch.core.stops import ExitStatus
from qwenbatch.observe.amounts import number_of
from qwenbatch.observe.plain_text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qwenbatch.core.repair import Repair
    from qwenbatch.observe.terminal import Terminal

_MOST_LINE = 4096


def tell_sound(file: str, *, console: Terminal) -> None:
    """Print that there was nothing to repair."""
    _print(f"{file} is sound: nothing was changed", console)


def tell_repair(
    done: Repair | None,
    *,
    aside: str,
    audit: str,
    console: Terminal,
) -> ExitStatus:
    """Print what was saved and what is lost; the exit status that says it.

    `done` is None where an earlier repair, cut short, was only brought to its end.
    """
    if done is None:
        _print("an earlier repair was cut short: it is done now", console)
        _print(f"  see what is uncertain: {audit}", console)
        return ExitStatus.UNFINISHED
    for line in (*_saved(done), *_lost(done)):
        _print(line, console)
    _print(f"the damaged ledger was put aside as {aside}: keep it", console)
    if done.lost_money:
        _print(f"  hold the new one against the invoice and the disk: {audit}", console)
    return done.exit_status


def _saved(done: Repair) -> Iterator[str]:
    rows = ", ".join(f"{count:,} {table}" for table, count in done.rows.items())
    yield f"a new ledger for {done.service} was built of {rows or 'nothing: no row could be read'}"


def _lost(done: Repair) -> Iterator[str]:
    if done.broken:
        yield f"not all could be read of: {', '.join(done.broken)}"
    if done.refused:
        yield f"{number_of(done.refused, 'row')} made no sense and was left out"
    if done.guessed:
        yield (
            f"{number_of(done.guessed, 'edit')} known by traces only: held to be paid where"
            " a result shows it, uncertain otherwise, so that no run pays for it unasked"
        )
    if done.nameless:
        yield (
            f"{done.nameless:,} of them without a key: their money is counted, but their items"
            " look like ones that were never sent"
        )
    if not done.service_read:
        yield (
            f"its service could not be read: {done.service}, by what lies in the folder"
            " or by --service"
        )
    if done.lost_money:
        yield "MONEY MAY BE UNACCOUNTED FOR: edits or attempts were lost, some perhaps paid"
        yield "  caps count only what was saved; results in place are safe: no run overwrites them"
    elif not done.broken:
        yield "nothing was lost"


def _print(text: str, console: Terminal) -> None:
    """A line that is never broken: paths and commands in it are copied."""
    shown = plain(text, most=_MOST_LINE, encoding=console.encoding)
    console.print(Text(shown), soft_wrap=True)
