"""What happened since a moment, in words: how a person reads last night."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from qwenbatch.core.money import dollars
from qwenbatch.observe.amounts import number_of
from qwenbatch.observe.run_facts import facts_of_run
from qwenbatch.observe.words import KIND_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qwenbatch.core.since import Since


def lines_since(since: Since, *, running: bool) -> Iterator[tuple[str, str]]:
    """Lines with their styles: the runs, the items, the money. Times are this machine's.

    `running`: a run holds the ledger; it is the latest.
    """
    moment = datetime.fromtimestamp(since.moment, UTC).astimezone()
    runs = number_of(len(since.runs) + since.more_runs, "run")
    yield f"since {moment:%Y-%m-%d %H:%M} (local time): {runs}", "bold"
    for number, run in enumerate(since.runs):
        yield f"  {facts_of_run(run, running=running and number == 0, zone=None)}", ""
        yield f"    {run.source}", "dim"
    if since.more_runs:
        yield f"  and {since.more_runs:,} before", "dim"
    yield f"  {_items(since)}", "red" if since.failures else ""
    for kind, number in sorted(since.failures.items(), key=lambda pair: (-pair[1], pair[0])):
        yield f"    {number:,} {kind.replace('_', ' ')}: {KIND_WORDS[kind].means}", "red"
    yield f"  {dollars(since.spent)} spent ({number_of(since.attempts, 'attempt')})", ""
    if since.exposure:
        yield f"  perhaps paid: {dollars(since.exposure)} for edits sent since", "yellow"


def _items(since: Since) -> str:
    counts = (
        (since.failed, "failed"),
        (since.uncertain, "uncertain"),
        (since.lost, "lost"),
        (since.pending, "tried and still pending"),
    )
    others = [f"{number:,} {words}" for number, words in counts if number]
    return ", ".join([f"{number_of(since.saved, 'item')} saved", *others])
