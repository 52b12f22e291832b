"""The closing words of a run or a check, on one screen."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
from rich.text import Text

from qwenbatch.core.money import dollars
from qwenbatch.core.stops import ExitStatus
from qwenbatch.core.verdicts import Kind
from qwenbatch.observe.amounts import number_of, span
from qwenbatch.observe.bad_end import MOST_PATH
from qwenbatch.observe.plain_text import plain
from qwenbatch.observe.terminal import Terminal
from qwenbatch.observe.words import KIND_WORDS, STOP_WORDS, Words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qwenbatch.core.summary import Estimate, Summary

MOST_KINDS = 3
"""So many kinds of failure are told in words; the others are counted."""


def closing_summary(
    summary: Summary,
    *,
    out: str,
    command_again: str | None,
    report: str | None,
    console: Terminal,
    sandbox: bool = False,
    strict: bool = False,
) -> None:
    """Print how it ended: items, money, failures, why it stopped, where results are, what next.

    `command_again` is the exact command that goes on, `report` the one that makes a page of it all;
    both are left out if None. `strict`: bad rows keep every edit from being sent. It fits on 24
    lines of 80 columns, unless paths are long.
    A console that can no longer be written is left alone.
    """
    page = _Page(console)
    with suppress(OSError):
        # Nobody reads any more; the exit status still says how it ended.
        withheld = strict and summary.items.invalid > 0
        _tell_end(page, summary, withheld=withheld)
        _tell_counts(page, summary, sandbox=sandbox, withheld=withheld)
        _tell_failures(page, summary)
        if summary.estimate is None:
            page.copied("results", out)
        if report is not None:
            page.copied("report", report)
        if command_again is not None:
            page.copied("next", command_again)


class _Page(msgspec.Struct, frozen=True):
    console: Terminal

    def line(self, text: str, style: str = "") -> None:
        self.console.print(Text(self._plain(text), style), overflow="fold")

    def copied(self, name: str, text: str) -> None:
        """A path or command on a line of its own that a copy takes whole: it is never broken."""
        shown = Text.assemble((f"{name}: ", "dim"), (self._plain(text), "bold"))
        self.console.print(shown, soft_wrap=True)

    def _plain(self, text: str) -> str:
        return plain(text, most=MOST_PATH, encoding=self.console.encoding)


def _tell_end(page: _Page, summary: Summary, *, withheld: bool) -> None:
    took = f" after {span(summary.seconds)}" if summary.seconds else ""
    would = "would stop" if summary.estimate is not None else f"stopped{took}"
    if summary.stopped_by is not None:
        words = STOP_WORDS[summary.stopped_by]
        page.line(f"{would} ({summary.stopped_by}): {words.means}", "yellow")
        page.line(f"  {words.advice}")
    elif summary.estimate is not None:
        page.line("checked; nothing was sent", "bold")
    elif not summary.items.total:
        page.line(f"there was nothing to do{took}")
    elif summary.items.saved == summary.items.total:
        page.line(f"every item is saved{took}", "green")
    else:
        end = "not every item is saved"
        if withheld:
            end = "no edit was sent, for rows are bad (--strict)"
        page.line(f"finished{took}; {end}", "yellow")
        if summary.items.invalid:
            page.line("  correct the rows that are bad, then run again")
        if summary.exit_status is ExitStatus.UNCERTAIN:
            page.line("  what is uncertain is settled by the invoice, which costs nothing;")
            page.line("  --resend-uncertain would send it again instead, and may pay twice")


def _tell_counts(page: _Page, summary: Summary, *, sandbox: bool, withheld: bool) -> None:
    for row in _counts(summary):
        page.console.print(row, overflow="fold")
    if summary.estimate is not None:
        text = _foreseen(summary.estimate, sandbox=sandbox)
        if withheld:
            page.line("would send nothing, for rows are bad (--strict)", "bold")
            text = f"  without --strict it {text}"
        page.line(text, "bold")
    for text, style in _money(summary, sandbox=sandbox):
        page.line(text, style)


def _counts(summary: Summary) -> Iterator[Text]:
    items = summary.items
    width = len(f"{items.total:,}")
    if summary.estimate is not None:
        saved, pending = "saved already", "pending: to be sent or fetched"
    else:
        saved = "saved"
        if items.reused:
            saved += f" ({items.reused:,} of them not paid for by this run)"
        pending = "pending: the next run goes on with them"
    for number, words, style in (
        (items.saved, saved, "green"),
        (items.failed, "failed: refused by the gateway", "red"),
        (items.invalid, "invalid: bad rows, not sent", "red"),
        (items.lost, "lost: paid, but not to be had any more", "red"),
        (items.uncertain, "uncertain: perhaps paid", "yellow"),
        (items.pending, pending, ""),
    ):
        if number:
            yield Text.assemble((f"{number:{width},}", style), f"  {words}")
    yield Text(f"{items.total:{width},}  items in all", "bold")


def _foreseen(estimate: Estimate, *, sandbox: bool) -> str:
    text = f"would send {number_of(estimate.edits, 'edit')}, {dollars(estimate.cost)}"
    if sandbox:
        text += " in the sandbox's play money"
    if estimate.left is not None:
        text += f"; left under the caps: {dollars(estimate.left)}"
    return text


def _money(summary: Summary, *, sandbox: bool) -> Iterator[tuple[str, str]]:
    cost, edits = summary.cost, summary.edits
    if sandbox:
        yield "sandbox: nothing was really paid; the sums are play money", "yellow"
    if summary.estimate is None:
        paid = f"{number_of(edits.paid, 'edit')}, {number_of(edits.attempts, 'attempt')}"
        yield f"{dollars(cost.spent)} spent ({paid})", "bold"
    if cost.exposure:
        yield f"perhaps paid: {dollars(cost.exposure)} for edits whose outcome is unknown", "yellow"
    if cost.maybe_twice:
        yield f"perhaps paid twice: {dollars(cost.maybe_twice)}; see the invoice", "yellow"


def _tell_failures(page: _Page, summary: Summary) -> None:
    ranked = sorted(summary.failures.items(), key=lambda pair: (-pair[1], pair[0]))
    said = None if summary.stopped_by is None else STOP_WORDS[summary.stopped_by]
    for name, number in ranked[:MOST_KINDS]:
        words = _words_of(name)
        if words == said:
            page.line(f"{number:,} {name.replace('_', ' ')}", "red")
            continue
        page.line(f"{number:,} {name.replace('_', ' ')}: {words.means}", "red")
        page.line(f"  {words.advice}")
    if len(ranked) > MOST_KINDS:
        others = sum(number for _, number in ranked[MOST_KINDS:])
        kinds = number_of(len(ranked) - MOST_KINDS, "other kind")
        page.line(f"{others:,} more of {kinds}: see `qwenbatch status`")


def _words_of(name: str) -> Words:
    try:
        return KIND_WORDS[Kind(name)]
    except ValueError:
        # A ledger of a newer version may hold kinds that this one does not know.
        return Words("a kind that this version does not know", "see `qwenbatch status`")
