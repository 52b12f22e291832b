"""How a ledger stands, in words on one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from rich.text import Text

from qwenbatch.core.money import dollars
from qwenbatch.core.states import EditState
from qwenbatch.observe.amounts import number_of
from qwenbatch.observe.plain_text import plain
from qwenbatch.observe.run_facts import facts_of_run
from qwenbatch.observe.since import lines_since
from qwenbatch.observe.terminal import Terminal
from qwenbatch.observe.words import KIND_WORDS

if TYPE_CHECKING:
    from qwenbatch.core.since import Since
    from qwenbatch.core.standing import LedgerStanding

_MOST_PATH = 4096

_SANDBOX = "sandbox"


class Remedies(msgspec.Struct, frozen=True, kw_only=True):
    """The commands that end an exposure; `resend` None: no run is known that could."""

    settle: str
    resend: str | None


def tell_standing(
    standing: LedgerStanding,
    lately: Since | None = None,
    *,
    out: str,
    remedies: Remedies,
    console: Terminal,
) -> None:
    """Print counts, money, what may have been paid, and the last runs.

    What happened `lately`, if that is told, comes first, and its runs in place of the last ones.
    Raises OSError where nobody reads any more.
    """
    page = _Page(console)
    page.line(f"{out}: ledger of {standing.service}", "bold")
    if standing.live is not None:
        page.line(f"a run is going on: {standing.live}", "green")
        page.line("the figures are of this moment", "green")
    if lately is not None:
        for text, style in lines_since(lately, running=standing.live is not None):
            page.line(text, style)
        page.line("now, over all:", "bold")
    _tell_items(page, standing)
    _tell_failures(page, standing)
    _tell_edits(page, standing)
    _tell_money(page, standing, remedies)
    if lately is None:
        _tell_runs(page, standing)


class _Page(msgspec.Struct, frozen=True):
    console: Terminal

    def line(self, text: str, style: str = "") -> None:
        """A line that is never broken: paths and commands in it are copied."""
        shown = plain(text, most=_MOST_PATH, encoding=self.console.encoding)
        self.console.print(Text(shown, style), soft_wrap=True)


def _tell_items(page: _Page, standing: LedgerStanding) -> None:
    items = standing.items
    width = len(f"{items.total:,}")
    pending = "pending: the next run goes on with them"
    if standing.live is not None:
        pending = f"pending: {standing.in_flight:,} of them in flight"
    for number, words, style in (
        (items.saved, "saved", "green"),
        (items.failed, "failed: refused by the gateway", "red"),
        (items.invalid, "invalid: bad rows, not sent", "red"),
        (items.lost, "lost: paid, but not to be had any more", "red"),
        (items.uncertain, "uncertain: perhaps paid", "yellow"),
        (items.pending, pending, ""),
    ):
        if number:
            page.line(f"{number:{width},}  {words}", style)
    page.line(f"{items.total:{width},}  items in all, as the last run over each saw it")


def _tell_failures(page: _Page, standing: LedgerStanding) -> None:
    ranked = sorted(standing.failures.items(), key=lambda pair: (-pair[1], pair[0]))
    for kind, number in ranked:
        words = KIND_WORDS[kind]
        page.line(f"{number:,} {kind.replace('_', ' ')}: {words.means}", "red")
        page.line(f"  {words.advice}")


def _tell_edits(page: _Page, standing: LedgerStanding) -> None:
    counts = [f"{standing.edits[s]:,} {s}" for s in EditState if standing.edits.get(s)]
    page.line("edits: " + (", ".join(counts) or "none yet"))
    if standing.to_place:
        results = number_of(standing.to_place, "paid result")
        page.line(f"{results} to be placed: a run fetches them first, free of charge")


def _tell_money(page: _Page, standing: LedgerStanding, remedies: Remedies) -> None:
    if standing.service == _SANDBOX:
        page.line("sandbox: nothing was really paid; the sums are play money", "yellow")
    page.line(f"{dollars(standing.spent)} spent in all", "bold")
    running = standing.live is not None
    if running and standing.reserved:
        page.line(f"{dollars(standing.reserved)} reserved for edits in flight")
    doubtful = standing.exposure
    if doubtful:
        page.line(f"perhaps paid: {dollars(doubtful)} for edits whose outcome is unknown", "yellow")
    if standing.maybe_twice:
        page.line(f"perhaps paid twice: {dollars(standing.maybe_twice)}; see the invoice", "yellow")
    if doubtful:
        when = "once the run has ended, " if running else ""
        page.line(f"  {when}the invoice ends the doubt:")
        page.line(f"    {remedies.settle}", "bold")
        if remedies.resend is not None and not running:
            page.line("  or send those of the last manifest again, which may pay twice:")
            page.line(f"    {remedies.resend}", "bold")


def _tell_runs(page: _Page, standing: LedgerStanding) -> None:
    if not standing.runs:
        page.line("no run yet")
        return
    page.line("last runs (times in UTC):", "bold")
    for number, run in enumerate(standing.runs):
        # Only the latest can hold the ledger: whatever began before it and did not end is dead.
        running = standing.live is not None and number == 0
        page.line(f"  {facts_of_run(run, running=running)}")
        page.line(f"    {run.source}", "dim")
