"""What an audit and a look at the machine found, in words."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec
from rich.text import Text

from qwenbatch.core.audit import FindingKind
from qwenbatch.core.money import dollars
from qwenbatch.observe.amounts import number_of
from qwenbatch.observe.plain_text import plain
from qwenbatch.observe.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qwenbatch.core.audit import Audit, DayTotals, Finding
    from qwenbatch.core.diagnosis import Check

MOST_SHOWN = 20
"""So many findings of one kind are shown to a person; `--json` lists more."""

_MOST_LINE = 4096


class _Words(msgspec.Struct, frozen=True):
    noun: str
    means: str
    advice: str


_WORDS: Mapping[FindingKind, _Words] = MappingProxyType(
    {
        FindingKind.DAMAGED: _Words(
            "damage",
            "the ledger's file is damaged: nothing else was looked at",
            "restore it from a backup, or let `qwenbatch doctor --repair OUT` save what it can",
        ),
        FindingKind.MISCOUNTED: _Words(
            "wrong total",
            "caps and sums may be wrong",
            "`qwenbatch doctor --repair OUT` builds the ledger anew",
        ),
        FindingKind.MISSING: _Words(
            "missing result",
            "saved, but its file is gone",
            "run again: it is copied or fetched, free of charge, if that can still be done",
        ),
        FindingKind.ALTERED: _Words(
            "altered result",
            "its file is not the one that was saved",
            "move it away and run again, or keep it: a run leaves it alone but for --overwrite",
        ),
        FindingKind.LEFTOVER: _Words(
            "temporary file",
            "left behind by a death",
            "the next run removes it",
        ),
        FindingKind.OVERDUE: _Words(
            "overdue result",
            "paid for, and not fetched for longer than a day",
            "run again: fetching costs nothing; after a day the service may have dropped it",
        ),
        FindingKind.UNCERTAIN: _Words(
            "uncertain attempt",
            "perhaps paid",
            "look at the invoice, then `qwenbatch settle OUT --as paid|unpaid`",
        ),
        FindingKind.PAID_AGAIN: _Words(
            "edit paid more than once",
            "what all but its cheapest attempt cost",
            "it was resent on request, or its first answer came late",
        ),
        FindingKind.RETRIED: _Words(
            "edit retried after a server error",
            "that such errors are free is inferred, not documented",
            "hold its request ids against the invoice",
        ),
    },
)


def tell_audit(audit: Audit, *, out: str, console: Terminal) -> None:
    """Print findings by kind, foreign files, and the days for the invoice."""
    page = _Page(console)
    page.line(f"{out}: {number_of(audit.checked, 'saved result')} looked at", "bold")
    if audit.running:
        page.line("a run is going on: what it has in flight is left out", "green")
    for kind in FindingKind:
        if audit.counts.get(kind):
            _tell_kind(page, kind, audit)
    if audit.foreign:
        page.line(f"{_plural(audit.foreign, 'foreign file')} in OUT, not ours: no finding")
        _tell_some(page, audit.foreign_listed, audit.foreign)
    if audit.days:
        _tell_days(page, audit.days)
    if audit.counts:
        page.line(f"{_plural(sum(audit.counts.values()), 'finding')}", "bold yellow")
    else:
        page.line("no findings: ledger and disk agree", "bold green")


def tell_checks(checks: Sequence[Check], *, console: Terminal) -> None:
    """Print each check on a line, and below it what to do."""
    page = _Page(console)
    width = max((len(check.name) for check in checks), default=0)
    for check in checks:
        mark = "ok  " if check.ok else "look"
        style = "" if check.ok else "yellow"
        page.line(f"{mark}  {check.name:{width}}  {check.says}", style)
        if not check.ok:
            page.line(f"      {'':{width}}  {check.advice}", "bold")


class _Page(msgspec.Struct, frozen=True):
    console: Terminal

    def line(self, text: str, style: str = "") -> None:
        """A line that is never broken: paths and ids in it are copied."""
        shown = plain(text, most=_MOST_LINE, encoding=self.console.encoding)
        self.console.print(Text(shown, style), soft_wrap=True)


def _tell_kind(page: _Page, kind: FindingKind, audit: Audit) -> None:
    words, count = _WORDS[kind], audit.counts[kind]
    page.line(f"{_plural(count, words.noun)}: {words.means}", "yellow")
    page.line(f"  {words.advice}")
    listed = [_fact(one) for one in audit.listed if one.kind is kind]
    _tell_some(page, listed, count)


def _tell_some(page: _Page, lines: Sequence[str], count: int) -> None:
    for line in lines[:MOST_SHOWN]:
        page.line(f"    {line}")
    if count > MOST_SHOWN:
        page.line(f"    and {count - MOST_SHOWN:,} more; --json lists up to 1,000")


def _fact(finding: Finding) -> str:
    parts = [
        finding.path,
        finding.key and f"edit {finding.key[:16]}",
        None if finding.amount is None else dollars(finding.amount),
        finding.detail,
        finding.request_ids and f"request ids {', '.join(finding.request_ids)}",
    ]
    return ", ".join(part for part in parts if part)


def _tell_days(page: _Page, days: Sequence[DayTotals]) -> None:
    page.line("by the UTC day of sending, to hold against the invoice:", "bold")
    page.line(f"  {'day':10}  {'sent':>9}  {'paid':>9}  {'':>12}  {'uncertain':>9}")
    for day in days:
        doubt = f"{day.uncertain:9,}  {dollars(day.uncertain_amount):>12}" if day.uncertain else ""
        page.line(
            f"  {day.day.isoformat()}  {day.attempts:9,}  {day.paid:9,}"
            f"  {dollars(day.paid_amount):>12}  {doubt}".rstrip(),
        )


def _plural(number: int, noun: str) -> str:
    """`1 damage`; the edits that were retried are edits, in the plural too."""
    first, space, rest = noun.partition(" paid") if " paid" in noun else noun.partition(" retried")
    return number_of(number, first) + space + rest
