"""What a settlement did, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from qwenbatch.core.money import dollars
from qwenbatch.core.settling import Ruling
from qwenbatch.observe.amounts import number_of
from qwenbatch.observe.plain_text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qwenbatch.core.settling import Settlement
    from qwenbatch.observe.terminal import Terminal

_MOST_LINE = 4096


def tell_settlement(
    done: Settlement,
    ruling: Ruling,
    *,
    again: str,
    dry_run: bool,
    console: Terminal,
) -> None:
    """Print attempts, edits, money, and what is left; `again` settles more, its ruling left out."""
    for text in _lines(done, ruling, again, dry_run=dry_run):
        shown = plain(text, most=_MOST_LINE, encoding=console.encoding)
        console.print(Text(shown), soft_wrap=True)


def _lines(done: Settlement, ruling: Ruling, again: str, *, dry_run: bool) -> Iterator[str]:
    if dry_run:
        yield "dry run: nothing was changed; without --dry-run this would be done:"
    if done.recovered:
        yield (
            f"{number_of(done.recovered, 'attempt')} that a death had left in flight became"
            " uncertain first"
        )
    if done.attempts:
        yield (
            f"{number_of(done.attempts, 'attempt')} settled as {ruling}:"
            f" {dollars(done.amount)} {_money(ruling)}"
        )
    else:
        yield "nothing to settle: no such attempt is uncertain"
    yield from _edits(done)
    if done.left:
        attempts = number_of(done.left, "uncertain attempt")
        yield f"left: {attempts}, perhaps paid: {dollars(done.left_amount)}"
        yield f"  {again} 'paid|unpaid' [--edit KEY] [--day YYYY-MM-DD]"
    else:
        yield "left: nothing is uncertain"


def _money(ruling: Ruling) -> str:
    match ruling:
        case Ruling.PAID:
            return "count as paid now"
        case Ruling.UNPAID:
            return "count no longer"


def _edits(done: Settlement) -> Iterator[str]:
    if done.edited:
        yield f"  {number_of(done.edited, 'edit')} paid for now"
    if done.lost:
        yield (
            f"  {number_of(done.lost, 'path')} without a result, which is lost:"
            " `qwenbatch run --resend-lost` pays for them again"
        )
    if done.pending:
        yield f"  {number_of(done.pending, 'edit')} pending now: the next run sends them"
    if done.still_uncertain:
        edits = number_of(done.still_uncertain, "edit")
        yield f"  {edits} uncertain still: other attempts of them are not settled"
    if done.kept:
        yield f"  {number_of(done.kept, 'edit')} edited before: their results stay as they are"
